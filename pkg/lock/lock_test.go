package lock

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

func hexOf(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:])
}

func base64Of(size int) string {
	return base64.StdEncoding.EncodeToString(make([]byte, size))
}

// fixture is a lock with every kind of input.
func fixture() *Lock {
	deb := func(name, version, arch, archive string) Input {
		return Input{
			ID: "deb:" + name + "@" + version + "/" + arch, Kind: KindDebian, Name: name, Version: version, Archive: archive,
			Path: "pool/main/" + name[:1] + "/" + name + "/" + name + "_" + version + "_" + arch + ".deb",
			Size: 1000, SHA256: hexOf(name + version + arch), SignedBy: []string{strings.Repeat("A", 40)},
		}
	}
	toolchain := func(arch string) Input {
		return Input{
			ID: "go:1.27.3/linux-" + arch, Kind: KindGo, Name: "golang.org/toolchain", Version: "1.27.3", Archive: "go",
			Path: "golang.org/toolchain/@v/v0.0.1-go1.27.3.linux-" + arch + ".zip", Size: 75_800_000,
			SHA256: hexOf("go" + arch), H1: "h1:" + base64Of(32), SignedBy: []string{"go checksum database"},
		}
	}
	image := func(by string) Input {
		in := Input{Kind: KindImage, Name: "registry.example.com:5000/team/base", Size: 500, SHA256: hexOf(by)}
		in.Version = "sha256:" + in.SHA256
		in.Path = in.Name + by + in.Version
		in.ID = "image:" + in.Path
		return in
	}
	l := &Lock{
		Definition: "sha256:" + hexOf("definition"),
		Archives: []Archive{
			{Name: "debian", Suite: "trixie", SignedBy: []string{strings.Repeat("A", 40), strings.Repeat("B", 40)}},
			{Name: "debian", Suite: "trixie-updates", SignedBy: []string{strings.Repeat("A", 40)}},
			{Name: "debian-security", Suite: "trixie-security", SignedBy: []string{strings.Repeat("C", 40)}},
		},
		Inputs: []Input{
			deb("libc6", "2.41-12", "amd64", "debian"),
			deb("libc6", "2.41-12", "arm64", "debian"),
			deb("tzdata", "2026b-1+deb13u1", "all", "debian-security"),
			toolchain("amd64"),
			toolchain("arm64"),
			image("/blobs/"),
			image("@"),
			{
				ID: "npm:@typescript/typescript@7.0.2", Kind: KindNPM, Name: "@typescript/typescript", Version: "7.0.2", Archive: "npm",
				Path: "@typescript/typescript/-/typescript-7.0.2.tgz", Size: 9_669_334, SHA256: hexOf("ts"),
				Integrity: "sha512-" + base64Of(64), SignedBy: []string{"unsigned"},
			},
		},
		Scripts: []Script{
			{Package: "libc6", Script: "postinst", SHA256: hexOf("postinst"), Effect: "ld.so.cache & <nothing else>"},
			{Package: "tzdata", Script: "config", SHA256: hexOf("config"), Effect: "none needed at build: asks questions"},
		},
	}
	for _, variant := range []string{"full", "slim"} {
		for _, arch := range []string{"amd64", "arm64"} {
			img := Image{
				Version: "1.27.3", Series: "1.27", Variant: variant, Platform: "linux/" + arch, Size: 90_000_000,
				Layers: []Layer{
					{Name: "base", Inputs: []string{l.Inputs[6].ID, l.Inputs[5].ID}},
					{Name: "os", Inputs: []string{"deb:libc6@2.41-12/" + arch, "deb:tzdata@2026b-1+deb13u1/all"}, DiffID: "sha256:" + hexOf("os"+arch)},
					{Name: "go", Inputs: []string{"go:1.27.3/linux-" + arch, "npm:@typescript/typescript@7.0.2"}, DiffID: "sha256:" + hexOf("go"+arch)},
					{Name: "shim"},
				},
			}
			l.Images = append(l.Images, img)
		}
	}
	return l
}

func marshal(t testing.TB, l *Lock) []byte {
	t.Helper()
	data, err := l.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestMarshalAndReadAgain(t *testing.T) {
	l := fixture()
	data := marshal(t, l)
	got, err := Read("image.lock", data)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(l, got); d != "" {
		t.Error(d)
	}
	if err := got.BelongsTo(l.Definition); err != nil {
		t.Error(err)
	}
	if err := got.BelongsTo("sha256:" + hexOf("another")); err == nil || !strings.Contains(err.Error(), "does not belong to its definition") {
		t.Errorf("another definition: %v", err)
	}
}

func TestMarshalGolden(t *testing.T) {
	data := marshal(t, fixture())
	golden := filepath.Join("testdata", "image.lock")
	if *update {
		if err := os.WriteFile(golden, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(data)); d != "" {
		t.Errorf("the format of locks has changed; with intent, run with -update: %s", d)
	}
}

func TestEveryFlippedBitIsRefused(t *testing.T) {
	l := fixture()
	l.Images = l.Images[:1]
	l.Inputs = slices.DeleteFunc(l.Inputs, func(in Input) bool { return strings.HasSuffix(in.ID, "arm64") })
	data := marshal(t, l)
	if _, err := Read("image.lock", data); err != nil {
		t.Fatal(err)
	}
	for i := range data {
		for bit := range 8 {
			damaged := slices.Clone(data)
			damaged[i] ^= 1 << bit
			if _, err := Read("image.lock", damaged); err == nil {
				t.Fatalf("bit %d of byte %d (%q) was flipped and nobody saw it", bit, i, data[max(0, i-20):i+1])
			}
		}
	}
}

func TestEveryTruncationIsRefused(t *testing.T) {
	data := marshal(t, fixture())
	for i := range data {
		if _, err := Read("image.lock", data[:i]); err == nil {
			t.Fatalf("cut after %d bytes and nobody saw it", i)
		}
	}
	if _, err := Read("image.lock", append(slices.Clone(data), '\n')); err == nil {
		t.Error("a byte more and nobody saw it")
	}
}

// A lock whose sum is right may still be wrong.
func TestReadRefuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(l *Lock)
		want   string
	}{
		{"definition", func(l *Lock) { l.Definition = "" }, "is not a digest"},
		{"inputs out of order", func(l *Lock) { l.Inputs[0], l.Inputs[1] = l.Inputs[1], l.Inputs[0] }, "inputs: item 2"},
		{"input twice", func(l *Lock) { l.Inputs = slices.Insert(l.Inputs, 0, l.Inputs[0]) }, "inputs: item 2"},
		{"size zero", func(l *Lock) { l.Inputs[0].Size = 0 }, "the size is 0"},
		{"size huge", func(l *Lock) { l.Inputs[0].Size = 4 << 30 }, "the size is 4294967296"},
		{"hash upper", func(l *Lock) { l.Inputs[0].SHA256 = strings.ToUpper(l.Inputs[0].SHA256) }, "not a hash in lower-case hex"},
		{"hash short", func(l *Lock) { l.Inputs[0].SHA256 = l.Inputs[0].SHA256[1:] }, "not a hash in lower-case hex"},
		{"path with host", func(l *Lock) { l.Inputs[0].Path = "https://mirror.example/pool/a.deb" }, "not a clean relative path"},
		{"path absolute", func(l *Lock) { l.Inputs[0].Path = "/pool/a.deb" }, "not a clean relative path"},
		{"path network", func(l *Lock) { l.Inputs[0].Path = "//mirror.example/a.deb" }, "not a clean relative path"},
		{"path up", func(l *Lock) { l.Inputs[0].Path = "../a.deb" }, "not a clean relative path"},
		{"path up inside", func(l *Lock) { l.Inputs[0].Path = "pool/../../a.deb" }, "not a clean relative path"},
		{"path escaped", func(l *Lock) { l.Inputs[0].Path = "pool/%2e%2e/a.deb" }, "not a clean relative path"},
		{"path query", func(l *Lock) { l.Inputs[0].Path = "pool/a.deb?x" }, "not a clean relative path"},
		{"kind", func(l *Lock) { l.Inputs[0].Kind = "rpm" }, "the id does not go with the kind"},
		{"archive", func(l *Lock) { l.Inputs[0].Archive = "npm" }, `archive "npm" does not go with`},
		{"signer", func(l *Lock) { l.Inputs[0].SignedBy = nil }, "nobody has signed it"},
		{"h1", func(l *Lock) { l.Inputs[3].H1 = "" }, "h1 is missing"},
		{"h1 short", func(l *Lock) { l.Inputs[3].H1 = "h1:" + base64Of(31) }, "is not a hash of a Go module"},
		{"integrity", func(l *Lock) { l.Inputs[7].Integrity = "" }, "integrity is missing"},
		{"integrity sha1", func(l *Lock) { l.Inputs[7].Integrity = "sha1-" + base64Of(20) }, "is not a SHA-512"},
		{"image by tag", func(l *Lock) { l.Inputs[6].Path = "registry.example.com:5000/team/base:1" }, "is not the input by its digest"},
		{"image of another hash", func(l *Lock) { l.Inputs[6].SHA256 = hexOf("other") }, "is not the input by its digest"},
		{"unused input", func(l *Lock) {
			for i := range l.Images {
				l.Images[i].Layers[2].Inputs = l.Images[i].Layers[2].Inputs[:1]
			}
		}, "no image needs it"},
		{"unknown input", func(l *Lock) { l.Images[0].Layers[1].Inputs[0] = "deb:libc7@1/amd64" }, "is not in the lock"},
		{"other platform", func(l *Lock) { l.Images[0].Layers[1].Inputs[0] = "deb:libc6@2.41-12/arm64" }, "is for another platform"},
		{"other platform of go", func(l *Lock) { l.Images[0].Layers[2].Inputs[0] = "go:1.27.3/linux-arm64" }, "is for another platform"},
		{"diffID", func(l *Lock) { l.Images[0].Layers[1].DiffID = "" }, "the diffID is missing"},
		{"diffID form", func(l *Lock) { l.Images[0].Layers[1].DiffID = "sha512:00" }, "is not a digest"},
		{"platform", func(l *Lock) { l.Images[0].Platform = "windows/amd64" }, "unknown platform"},
		{"series", func(l *Lock) { l.Images[0].Series = "1.2" }, "is not of the series"},
		{"image twice", func(l *Lock) { l.Images[1] = l.Images[0] }, "images: item 2"},
		{"images out of order", func(l *Lock) { l.Images[0], l.Images[1] = l.Images[1], l.Images[0] }, "images: item 2"},
		{"no images", func(l *Lock) { l.Images, l.Inputs = nil, nil }, "there are no images"},
		{"no layers", func(l *Lock) { l.Images[0].Layers = nil }, "it has no layers"},
		{"layer twice", func(l *Lock) { l.Images[0].Layers[3].Name = "os" }, "there twice"},
		{"archives out of order", func(l *Lock) { slices.Reverse(l.Archives) }, "archives: item 2"},
		{"archive unsigned", func(l *Lock) { l.Archives[0].SignedBy = nil }, "signer is missing"},
		{"script", func(l *Lock) { l.Scripts[0].Effect = "" }, "effect is not right"},
		{"scripts out of order", func(l *Lock) { slices.Reverse(l.Scripts) }, "scripts: item 2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := fixture()
			c.change(l)
			_, err := Read("dir/image.lock", marshal(t, l))
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "dir/image.lock: ") {
				t.Errorf("error %v, want %q in it", err, c.want)
			}
			if err := l.WriteFile(filepath.Join(t.TempDir(), "image.lock")); err == nil {
				t.Error("it was written")
			}
		})
	}
}

// Texts with a right sum that are not what Marshal writes.
func TestReadRefusesOtherWritings(t *testing.T) {
	data := string(marshal(t, fixture()))
	for _, c := range []struct{ name, old, new, want string }{
		{"unknown field", `"schema": 1,`, `"schema": 1, "extra": 1,`, `unknown object member name "extra"`},
		{"key twice", `"schema": 1,`, `"schema": 1, "schema": 1,`, `duplicate object member name "schema"`},
		{"other letters", `"schema": 1,`, `"SCHEMA": 1,`, "has schema 0"},
		{"spaces", `"schema": 1,`, `"schema":  1,`, "not written as imgbuild writes it"},
		{"older schema", `"schema": 1,`, `"schema": 0,`, "schema 0, this imgbuild reads 1"},
		{"newer schema", `"schema": 1,`, `"schema": 2, "new": {},`, "a newer imgbuild wrote it"},
		{"list for a number", `"schema": 1,`, `"schema": [],`, "not JSON"},
		{"two values", `{`, `{} {`, "not JSON"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Read("image.lock", resum(strings.Replace(data, c.old, c.new, 1)))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q in it", err, c.want)
			}
		})
	}
}

// resum gives the text of a lock the right sum.
func resum(text string) []byte {
	body := text[:strings.LastIndex(text, sumPrefix)]
	return []byte(body + sumPrefix + sumOf([]byte(body+emptySum)) + sumEnd)
}

func TestWriteFileReplacesWholeFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "image.lock")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := fixture().WriteFile(path); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != string(marshal(t, fixture())) {
		t.Errorf("read back: %v", err)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o644 {
		t.Errorf("mode %v", info.Mode())
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

func FuzzRead(f *testing.F) {
	data := marshal(f, fixture())
	f.Add(data)
	f.Add(data[:len(data)/2])
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		// Past the sum, which no mutation gets right by itself.
		for _, text := range [][]byte{data, resumAny(data)} {
			l, err := Read("image.lock", text)
			if err == nil && string(marshal(t, l)) != string(text) {
				t.Error("what was read is written otherwise")
			}
		}
	})
}

func resumAny(data []byte) []byte {
	if i := strings.LastIndex(string(data), sumPrefix); i >= 0 {
		data = data[:i]
	}
	return resum(string(data) + sumPrefix)
}

// BenchmarkRead reads a lock of the size of node's: 12 images of 90 packages.
func BenchmarkRead(b *testing.B) {
	l := fixture()
	in, img := l.Inputs[2], l.Images[0]
	l.Inputs, l.Images = nil, nil
	var ids []string
	for i := range 90 {
		in.Name = "package" + string(rune('a'+i/26)) + string(rune('a'+i%26))
		in.ID = "deb:" + in.Name + "@" + in.Version + "/all"
		l.Inputs, ids = append(l.Inputs, in), append(ids, in.ID)
	}
	img.Layers = []Layer{{Name: "os", Inputs: ids, DiffID: l.Definition}}
	for _, img.Version = range []string{"1.27.3", "1.27.2", "1.27.1"} {
		for _, img.Variant = range []string{"full", "slim"} {
			for _, img.Platform = range []string{"linux/amd64", "linux/arm64"} {
				l.Images = append(l.Images, img)
			}
		}
	}
	data := marshal(b, l)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := Read("image.lock", data); err != nil {
			b.Fatal(err)
		}
	}
}

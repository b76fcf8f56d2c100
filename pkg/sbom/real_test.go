package sbom

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx/v2/v2_3"
	"github.com/spdx/tools-golang/spdxlib"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// realImage is an image that imgbuild itself builds here.
type realImage struct{ name, ref, tag string }

var realImages = []realImage{
	{"golang", "golang", "1.27"},
	{"golang-slim", "golang", "1.27-slim"},
	{"node", "node", "26"},
	{"node-slim", "node", "26-slim"},
	{"typescript", "typescript", "26"},
	{"typescript-slim", "typescript", "26-slim"},
	{"ruby", "./examples/ruby", "3.3"},
}

// imgbuild is the command, compiled once.
var imgbuild = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "imgbuild-sbom-test-*")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "imgbuild")
	cmd := exec.Command("go", "build", "-o", path, "./cmd/imgbuild")
	cmd.Dir, cmd.Env = testtool.ModuleRoot(), append(os.Environ(), "CGO_ENABLED=0") // as others compile
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := imgbuildIfBuilt(); err == nil && path != "" {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

var built bool

func imgbuildIfBuilt() (string, error) {
	if !built {
		return "", nil
	}
	return imgbuild()
}

// build builds the image into an OCI layout and returns the folder and all
// that its document is made from.
func (r realImage) build(t *testing.T) (string, testImage) {
	t.Helper()
	built = true
	program, err := imgbuild()
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "oci")
	cmd := exec.CommandContext(t.Context(), program, r.ref+":"+r.tag, "--output", "type=oci,dest="+out)
	cmd.Dir = testtool.ModuleRoot()
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v: %s", r.name, err, said)
	}
	index, err := layout.ImageIndexFromPath(out)
	if err != nil {
		t.Fatal(err)
	}
	m, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	i := testImage{}
	if i.image, err = index.Image(m.Manifests[0].Digest); err != nil {
		t.Fatal(err)
	}
	ref := r.ref
	if strings.HasPrefix(ref, ".") {
		ref = filepath.Join(testtool.ModuleRoot(), ref)
	}
	d, err := definition.Load(ref)
	if err != nil {
		t.Fatal(err)
	}
	data, err := d.ReadLock()
	if err != nil {
		t.Fatal(err)
	}
	i.d = d.Definition
	if i.l, err = lock.Read(d.LockPath(), data); err != nil {
		t.Fatal(err)
	}
	series, slim := strings.CutSuffix(r.tag, "-slim")
	for _, locked := range i.l.Images {
		if locked.Series == series && (locked.Variant == "slim") == slim && locked.Platform == "linux/"+runtime.GOARCH {
			i.locked = locked
		}
	}
	return out, i
}

// stored opens inputs in this machine's store, where the build has put them.
func stored(t *testing.T) Option {
	t.Helper()
	dir, err := store.DefaultDir()
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return WithInputs(func(_ context.Context, in lock.Input) (io.ReadCloser, error) {
		return s.Open(v1.Hash{Algorithm: "sha256", Hex: in.SHA256})
	})
}

// syftPackage is what is compared.
type syftPackage struct{ Type, Name, Version string }

func syft(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), testtool.Tool(t, "syft"), append(args, "-q", "-o", "syft-json")...)
	cmd.Env = append(os.Environ(), "SYFT_CHECK_FOR_APP_UPDATE=false")
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		t.Fatalf("syft %s: %v: %s", args, err, said.String())
	}
	return out.Bytes()
}

func syftPackages(t *testing.T, report []byte) map[syftPackage]bool {
	t.Helper()
	var r struct {
		Artifacts []syftPackage
	}
	if err := json.Unmarshal(report, &r); err != nil {
		t.Fatal(err)
	}
	out := map[syftPackage]bool{}
	for _, a := range r.Artifacts {
		if a.Version == "UNKNOWN" {
			a.Version = "" // a module built from a work tree
		}
		out[a] = true
	}
	return out
}

// ours are the document's packages in syft's words.
func ours(d *Document) map[syftPackage]bool {
	types := map[Kind]string{KindDebian: "deb", KindNPM: "npm", KindModule: "go-module", KindGo: "binary", KindGem: "gem"}
	out := map[syftPackage]bool{}
	for _, p := range d.Packages {
		if kind, ok := types[p.Kind]; ok {
			out[syftPackage{kind, p.Name, p.Version}] = true
		}
	}
	return out
}

// accepted says why a package that only one of the two lists is no mistake.
func accepted(p syftPackage, onlySyft bool) string {
	switch {
	case onlySyft && p.Type == "go-module" && strings.HasPrefix(p.Name, "cmd/"):
		return "a command of the Go toolchain, a folder and no module: its file belongs to the package go"
	case onlySyft && p.Type == "binary" && p.Name == "node":
		return "syft goes by the program's content; here it is the npm package that it came in"
	case !onlySyft && p.Type == "npm" && (p.Name == "node" || strings.HasPrefix(p.Name, "@esbuild/linux-")):
		return "taken from an npm package without its package.json: only the lock knows"
	}
	return ""
}

// TestReal: each image's document is whole, valid, always the same, and has
// the packages that syft finds.
func TestReal(t *testing.T) {
	testtool.Whole(t)
	for _, r := range realImages {
		t.Run(r.name, func(t *testing.T) {
			dir, i := r.build(t)
			doc := i.document(t, stored(t))
			checkWhole(t, doc)

			theirs, mine := syftPackages(t, syft(t, "scan", "oci-dir:"+dir)), ours(doc)
			for p := range theirs {
				if !mine[p] && accepted(p, true) == "" {
					t.Errorf("only syft finds %v", p)
				}
			}
			for p := range mine {
				if !theirs[p] && accepted(p, false) == "" {
					t.Errorf("syft does not find %v", p)
				}
			}

			spdx, cdx := written(t, doc.SPDX), written(t, doc.CycloneDX)
			again := i.document(t, stored(t))
			if !bytes.Equal(spdx, written(t, again.SPDX)) || !bytes.Equal(cdx, written(t, again.CycloneDX)) {
				t.Error("another run gives another document")
			}
			checkSPDX(t, spdx)
			for name, b := range map[string][]byte{"spdx.json": spdx, "cdx.json": cdx} {
				path := filepath.Join(t.TempDir(), name)
				if err := os.WriteFile(path, b, 0o644); err != nil {
					t.Fatal(err)
				}
				converted := syftPackages(t, syft(t, "convert", path))
				want := maps.Clone(mine)
				maps.DeleteFunc(want, func(p syftPackage, _ bool) bool { return p.Type == "binary" })
				maps.DeleteFunc(converted, func(p syftPackage, _ bool) bool { return !want[p] })
				if diff := cmp.Diff(want, converted); diff != "" {
					t.Errorf("syft reads something else in %s: %s", name, diff)
				}
			}
		})
	}
}

// checkWhole: every file has an owner with a purl and a licence.
func checkWhole(t *testing.T, d *Document) {
	t.Helper()
	if len(d.Files) < 1000 {
		t.Errorf("only %d files", len(d.Files))
	}
	purls := map[string]bool{}
	for _, p := range d.Packages {
		if purls[p.PURL] {
			t.Errorf("%s is there twice", p.PURL)
		}
		purls[p.PURL] = true
		if p.Files > 0 && (p.PURL == "" || p.License == NoAssertion) {
			t.Errorf("%d files belong to %s %s, whose licence is %s", p.Files, p.Name, p.PURL, p.License)
		}
		if (p.Kind == KindDebian || p.Kind == KindGo) && (p.Input == nil || p.Files == 0) {
			t.Errorf("%s has no input or no files", p.PURL)
		}
	}
	sorted := slices.IsSortedFunc(d.Files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	if !sorted {
		t.Error("the files are not sorted")
	}
}

func written(t testing.TB, write func(io.Writer) error) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// checkSPDX reads the document as SPDX's own library does, and validates it.
func checkSPDX(t testing.TB, b []byte) *v2_3.Document {
	t.Helper()
	var doc v2_3.Document
	if err := spdxjson.ReadInto(bytes.NewReader(b), &doc); err != nil {
		t.Fatal(err)
	}
	if err := spdxlib.ValidateDocument(&doc); err != nil {
		t.Error(err)
	}
	owned := map[string]int{}
	for _, r := range doc.Relationships {
		if strings.HasPrefix(string(r.RefB.ElementRefID), "File-") && r.Relationship == "CONTAINS" {
			owned[string(r.RefB.ElementRefID)]++
		}
	}
	for _, f := range doc.Files {
		if owned[string(f.FileSPDXIdentifier)] != 1 {
			t.Errorf("%s belongs to %d packages", f.FileName, owned[string(f.FileSPDXIdentifier)])
		}
	}
	return &doc
}

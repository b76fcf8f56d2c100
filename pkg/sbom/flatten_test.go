package sbom

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"
)

// listing is the tree as lines: path, and the target or what hashes tell of
// the content.
func listing(t *tree, contents ...string) []string {
	known := map[[32]byte]string{sha256.Sum256(nil): "-"}
	for _, c := range contents {
		known[sha256.Sum256([]byte(c))] = c
	}
	var out []string
	for _, p := range t.paths() {
		switch n := t.nodes[p]; n.kind {
		case tar.TypeDir:
		case tar.TypeSymlink:
			out = append(out, p+" -> "+n.Link)
		default:
			out = append(out, fmt.Sprintf("%s %s %d", p, known[n.SHA256], n.Size))
		}
	}
	return out
}

func TestFlatten(t *testing.T) {
	for name, c := range map[string]struct {
		layers []v1.Layer
		want   []string
	}{
		"upper wins": {
			[]v1.Layer{layerOf(t, file("a", "one"), file("b", "one")), layerOf(t, file("./a", "two"))},
			[]string{"a two 3", "b one 3"},
		},
		"the last of a layer wins": {
			[]v1.Layer{layerOf(t, file("a", "one"), file("a", "two"))},
			[]string{"a two 3"},
		},
		"whiteouts": {
			[]v1.Layer{
				layerOf(t, dir("d/"), file("d/a", "one"), file("d/e/b", "one"), file("c", "one")),
				layerOf(t, file("d/.wh.e", ""), file(".wh.c", ""), file("d/x", "two")),
			},
			[]string{"d/a one 3", "d/x two 3"},
		},
		"a whiteout hides nothing of its own layer": {
			[]v1.Layer{layerOf(t, file("d/a", "one")), layerOf(t, file("d/b", "two"), file(".wh.d", ""), file("d/c", "two"))},
			[]string{"d/b two 3", "d/c two 3"},
		},
		"opaque": {
			[]v1.Layer{layerOf(t, file("d/a", "one"), file("e", "one")), layerOf(t, file("d/b", "two"), file("d/.wh..wh..opq", ""))},
			[]string{"d/b two 3", "e one 3"},
		},
		"an opaque root": {
			[]v1.Layer{layerOf(t, file("d/a", "one"), file("e", "one")), layerOf(t, file(".wh..wh..opq", ""), file("f", "two"))},
			[]string{"f two 3"},
		},
		"hidden, then there again": {
			[]v1.Layer{layerOf(t, file("a", "one")), layerOf(t, file(".wh.a", "")), layerOf(t, file("a", "two"))},
			[]string{"a two 3"},
		},
		"a file in the place of a folder": {
			[]v1.Layer{layerOf(t, file("d/a", "one")), layerOf(t, file("d", "two"))},
			[]string{"d two 3"},
		},
		"a folder in the place of a file": {
			[]v1.Layer{layerOf(t, file("d", "one")), layerOf(t, dir("d"), file("d/a", "two"))},
			[]string{"d/a two 3"},
		},
		"below a link": {
			[]v1.Layer{layerOf(t, symlink("bin", "usr/bin"), file("usr/bin/a", "one"), file("usr/bin/b", "one")), layerOf(t, file("bin/a", "two"))},
			[]string{"bin -> usr/bin", "usr/bin/a two 3", "usr/bin/b one 3"},
		},
		"below a link that leads in circles": {
			[]v1.Layer{layerOf(t, symlink("a", "b"), symlink("b", "a"), file("a/x", "one"))},
			[]string{"a -> b", "a/x one 3", "b -> a"},
		},
		"hard links": {
			[]v1.Layer{layerOf(t, file("a", "one"), hardlink("b", "a"), hardlink("c", "./b"))},
			[]string{"a one 3", "b one 3", "c one 3"},
		},
		"a hard link to a lower layer's file that this one replaces": {
			[]v1.Layer{layerOf(t, file("a", "one")), layerOf(t, hardlink("b", "a"), hardlink("c", "b"), file("a", "two"))},
			[]string{"a two 3", "b one 3", "c one 3"},
		},
		"a hard link to a link of a lower layer": {
			[]v1.Layer{layerOf(t, file("a", "one")), layerOf(t, hardlink("b", "a")), layerOf(t, hardlink("c", "b"), file(".wh.a", ""))},
			[]string{"b one 3", "c one 3"},
		},
		"a hard link to a file that an upper layer hides": {
			[]v1.Layer{layerOf(t, file("a", "one"), hardlink("b", "a")), layerOf(t, file(".wh.a", ""))},
			[]string{"b one 3"},
		},
		"nothing outside of the root": {
			[]v1.Layer{layerOf(t, file("../../a", "one"), file("/b", "two"), dir("./"))},
			[]string{"a one 3", "b two 3"},
		},
		"devices": {
			[]v1.Layer{layerOf(t, tar.Header{Name: "dev/null", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3})},
			[]string{"dev/null - 0"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			tree, err := flat(t, c.layers...)
			if err != nil {
				t.Fatal(err)
			}
			if got := listing(tree, "one", "two"); !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestHashes(t *testing.T) {
	tree, err := flat(t, layerOf(t, file("a", "content"), symlink("l", "a")))
	if err != nil {
		t.Fatal(err)
	}
	for p, text := range map[string]string{"a": "content", "l": "a"} {
		if n := tree.nodes[p]; n.SHA1 != sha1.Sum([]byte(text)) || n.SHA256 != sha256.Sum256([]byte(text)) {
			t.Errorf("%s has the hashes %x and %x", p, n.SHA1, n.SHA256)
		}
	}
}

func TestFlattenRefuses(t *testing.T) {
	long := strings.Repeat("x/", 3000)
	for want, layers := range map[string][]v1.Layer{
		"b is a hard link to a, which no layer has": {layerOf(t, hardlink("b", "a"))},
		"a is a hard link to a, which no layer has": {layerOf(t, hardlink("a", "a"))},
		"unexpected EOF":       {layerOfBytes(t, []byte("not a tar"))},
		"more than is allowed": {layerOf(t, file(long+"f", "deep"))},
	} {
		if _, err := flat(t, layers...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// A sparse file of petabytes is a few bytes in a layer.
func TestSparse(t *testing.T) {
	// GNU's format (gnu.org/software/tar/manual, "Standard"): the real size is
	// at 483, the map of what is no hole at 386.
	h := make([]byte, 2048)
	copy(h, "hole")
	copy(h[100:], "0000644\x000000000\x000000000\x0000000000000\x0000000000000\x00        S")
	copy(h[257:], "ustar  \x00")
	copy(h[386:], "77777777777\x0000000000000\x00")
	h[483] = 0x80 // base 256: 2^48 bytes
	h[488] = 1
	sum := 0
	for _, b := range h[:512] {
		sum += int(b)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	started := time.Now()
	if _, err := flat(t, layerOfBytes(t, h)); !errors.Is(err, errTooLarge) {
		t.Errorf("got %v after %s", err, time.Since(started))
	}
}

// What is too long to be of a package is passed over, but not dpkg's database:
// packages would be missing.
func TestLongTexts(t *testing.T) {
	long := strings.Repeat(" ", maxText)
	tree, err := flat(t, layerOf(t, file("a/package.json", manifestOf("a", "1")+long), file("b/package.json", manifestOf("b", "1"))))
	if err != nil {
		t.Fatal(err)
	}
	if a, b := tree.nodes["a/package.json"], tree.nodes["b/package.json"]; a.text != nil || b.text == nil || a.Size <= maxText {
		t.Errorf("kept %d and %d bytes", len(a.text), len(b.text))
	}
	if _, err := flat(t, layerOf(t, file(dpkgStatus, strings.Repeat(long, maxDatabase/maxText+1)))); !errors.Is(err, errTooLarge) {
		t.Errorf("got %v", err)
	}
}

// A blob that is not what its digest says is found, also where the damage lies
// behind the tar's end.
func TestFlattenReadsToTheEnd(t *testing.T) {
	l := damagedLayer{layerOf(t, file("a", "one"))}
	if _, err := flat(t, l); !errors.Is(err, errDamaged) {
		t.Errorf("got %v", err)
	}
}

var errDamaged = errors.New("content differs from its digest")

type damagedLayer struct{ v1.Layer }

func (l damagedLayer) Compressed() (io.ReadCloser, error) {
	r, err := l.Layer.Compressed()
	return struct {
		io.Reader
		io.Closer
	}{io.MultiReader(r, failing{}), r}, err
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errDamaged }

func TestCompressions(t *testing.T) {
	r, err := layerOf(t, file("a", "one")).Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	gz, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(plain)), nil })
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	w, err := zstd.NewWriter(&packed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for name, l := range map[string]v1.Layer{
		"gzip": gz,
		"zstd": static.NewLayer(packed.Bytes(), types.OCILayerZStd),
		"tar":  static.NewLayer(plain, types.OCIUncompressedLayer),
	} {
		tree, err := flat(t, l)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := listing(tree, "one"); !slices.Equal(got, []string{"a one 3"}) || tree.unpacked != int64(len(plain)) {
			t.Errorf("%s: %q, %d bytes unpacked, want %d", name, got, tree.unpacked, len(plain))
		}
	}
}

func TestFlattenObeysItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	cancel(why)
	if _, err := flatten(ctx, []v1.Layer{layerOf(t, file("a", "one"))}, options{temp: osTemp}); !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
}

func TestResolve(t *testing.T) {
	tree, err := flat(t, layerOf(t,
		symlink("lib", "usr/lib"), symlink("usr/lib/x", "/opt/../lib/y"), file("usr/lib/y/f", "one"),
		symlink("circle", "circle"), symlink("up", "../../usr"), symlink("dot", ".")))
	if err != nil {
		t.Fatal(err)
	}
	for p, want := range map[string]string{
		"lib/y/f":         "usr/lib/y/f",
		"lib/x/f":         "usr/lib/y/f",
		"/lib/../lib/y":   "usr/lib/y",
		"up/lib/x/../y/f": "usr/lib/y/f",
		"dot/dot/lib":     "usr/lib",
		"none/at/all":     "none/at/all",
		"..":              "",
		"circle/x":        "circles",
	} {
		got, ok := tree.resolve(p)
		if !ok {
			got = "circles"
		}
		if got != want {
			t.Errorf("%s leads to %q, want %q", p, got, want)
		}
	}
	if tree.file("lib/x/f") == nil || tree.file("lib") != nil || tree.file("circle") != nil {
		t.Error("file follows no links, or takes a folder for a file")
	}
}

// FuzzFlatten: whatever a layer says, there is an error or a tree in which
// every path is clean and every file hashed.
func FuzzFlatten(f *testing.F) {
	for _, l := range []v1.Layer{
		layerOf(f, file("a", "one"), hardlink("b", "a"), symlink("c", "b")),
		layerOf(f, symlink("bin", "usr/bin"), file("bin/a", "x"), file("d/.wh.e", ""), file("d/.wh..wh..opq", "")),
	} {
		r, err := l.Uncompressed()
		if err != nil {
			f.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		tree, err := flat(t, static.NewLayer(b, types.OCIUncompressedLayer), layerOf(t, file("a", "two"), file(".wh.d", "")))
		if err != nil {
			return
		}
		for p := range maps.Keys(tree.nodes) {
			n := tree.nodes[p]
			if p == "" || strings.HasPrefix(p, "/") || strings.HasPrefix(p, "../") || n.Path != p || n.open {
				t.Errorf("%q: %+v", p, n)
			}
			if n.kind != tar.TypeDir && n.SHA1 == [20]byte{} {
				t.Errorf("%q has no hash", p)
			}
		}
	})
}

package e2e

import (
	"archive/tar"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/internal/testtool"
)

// What the frontend makes is what imgbuild itself makes: the same files, with
// all that a file has, in as many layers, and the same configuration. With
// IMGBUILD_RESULT=oci it is the same bytes.
func TestFrontendMakesTheSame(t *testing.T) {
	for _, test := range []struct{ tag, target string }{{"1.27-slim", "slim"}, {"1.26", "full"}} {
		t.Run(test.tag, func(t *testing.T) {
			dir := filepath.Join(testtool.ModuleRoot(), "images", "golang")
			version, _, _ := strings.Cut(test.tag, "-")
			options := []string{"target=" + test.target, "build-arg:IMGBUILD_VERSION=" + version}
			temp := t.TempDir()
			ours, theirs, layout := filepath.Join(temp, "ours.tar"), filepath.Join(temp, "theirs.tar"), filepath.Join(temp, "layout.tar")
			native := run{}.results(t, "golang:"+test.tag, "--output", "type=oci,dest="+ours)[0]
			build(t, dir, "type=oci,dest="+theirs, options...)
			img := imageIn(t, theirs)
			compareImages(t, imageIn(t, ours), img)

			if test.target != "slim" {
				return
			}
			checkRuns(t, img)
			build(t, dir, "type=tar,dest="+layout, append(options, "build-arg:IMGBUILD_RESULT=oci")...)
			if h, err := imageIn(t, layout).Digest(); err != nil || h.String() != native.Digest {
				t.Errorf("the layout has %s, want %s: %v", h, native.Digest, err)
			}
		})
	}
}

// checkRuns starts a function in the image and asks it through the shim.
func checkRuns(t *testing.T, img v1.Image) {
	t.Helper()
	b := bundle(t, img)
	cmd := exec.Command("go", "build", "-o", filepath.Join(b.Dir, "rootfs", "code", "bootstrap"), ".")
	cmd.Dir = example("golang")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=mod", "GOWORK=off")
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	check(t, startInRunc(t, b), answers{`^hello from go\S+: GET /some/path\n$`, true})
}

// compareImages wants the same configuration, annotations and files.
func compareImages(t *testing.T, want, got v1.Image) {
	t.Helper()
	type described struct {
		Config      *v1.ConfigFile
		Annotations map[string]string
		Layers      int
	}
	of := func(img v1.Image) (d described) {
		config, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		m, err := img.Manifest()
		if err != nil {
			t.Fatal(err)
		}
		config = config.DeepCopy()
		d.Config, d.Annotations, d.Layers = config, m.Annotations, len(m.Layers)
		config.RootFS = v1.RootFS{} // the layers are packed in another way
		return d
	}
	if d := cmp.Diff(of(want), of(got)); d != "" {
		t.Errorf("the configuration differs (-imgbuild +frontend): %s", d)
	}
	a, b := flatten(t, want), flatten(t, got)
	different := 0
	for _, name := range slices.Sorted(maps.Keys(a)) {
		if a[name] != b[name] {
			if different++; different <= 20 {
				t.Errorf("%s is\n%+v, not\n%+v", name, b[name], a[name])
			}
		}
	}
	for name := range b {
		if _, ok := a[name]; !ok {
			t.Errorf("%s is %+v, and not in imgbuild's image", name, b[name])
		}
	}
	if different > 0 || len(a) < 100 {
		t.Errorf("%d of %d files differ", different, len(a))
	}
}

// fileOf is all that a file of an image is.
type fileOf struct {
	Type           byte
	Mode           int64
	UID, GID       int
	Size           int64
	Time           int64
	Link           string
	Content        [sha256.Size]byte
	Xattrs         string
	Names, inGroup int
}

// flatten reads an image's files as a container has them. Names of one file
// are told by how many there are, for either may be called the first.
func flatten(t *testing.T, img v1.Image) map[string]fileOf {
	t.Helper()
	all, first, n := map[string]fileOf{}, map[string]string{}, 0
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range layers {
		rc, err := l.Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		for r := tar.NewReader(rc); ; {
			h, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			name := strings.TrimSuffix(path.Clean("/"+h.Name), "/")
			if gone, ok := strings.CutPrefix(path.Base(name), ".wh."); ok {
				gone = path.Join(path.Dir(name), gone)
				maps.DeleteFunc(all, func(p string, _ fileOf) bool { return p == gone || strings.HasPrefix(p, gone+"/") })
				continue
			}
			if h.Typeflag == tar.TypeLink {
				to := path.Clean("/" + h.Linkname)
				for first[to] != "" {
					to = first[to]
				}
				first[name] = to
				all[name] = all[to]
				continue
			}
			delete(first, name)
			f := fileOf{Type: h.Typeflag, Mode: h.Mode, UID: h.Uid, GID: h.Gid, Size: h.Size, Time: h.ModTime.Unix(), Link: h.Linkname}
			for _, k := range slices.Sorted(maps.Keys(h.PAXRecords)) {
				if strings.HasPrefix(k, "SCHILY.xattr.") {
					f.Xattrs += fmt.Sprintf("%s=%q ", k, h.PAXRecords[k])
				}
			}
			if h.Typeflag == tar.TypeReg {
				n++
				f.inGroup = n
				sum := sha256.New()
				if _, err := io.Copy(sum, r); err != nil {
					t.Fatal(err)
				}
				f.Content = [sha256.Size]byte(sum.Sum(nil))
			}
			all[name] = f
		}
		rc.Close()
	}
	names := map[int]int{}
	for _, f := range all {
		names[f.inGroup]++
	}
	for name, f := range all {
		if f.inGroup > 0 {
			f.Names, f.inGroup = names[f.inGroup], 0
			all[name] = f
		}
	}
	return all
}

// checkMade looks at what the command of shellDefinition has made.
func checkMade(t *testing.T, files map[string]fileOf) {
	t.Helper()
	content := []byte("given 1577934245")
	want := fileOf{Type: tar.TypeReg, Mode: 0o640, Size: int64(len(content)), Time: 1577934245, Content: sha256.Sum256(content), Names: 1}
	if got := files["/made"]; got != want {
		t.Errorf("/made is %v, want %v", got, want)
	}
	if got := files["/empty"]; got.Type != tar.TypeDir || got.Mode != 0o700 || got.UID != 7 || got.GID != 8 {
		t.Errorf("/empty is %v", got)
	}
	if got := files["/bin/bash"]; got.Type != tar.TypeSymlink || got.Link != "sh" {
		t.Errorf("/bin/bash is %v", got)
	}
}

// imageIn is the one image in an OCI layout's tar.
func imageIn(t testing.TB, file string) v1.Image {
	t.Helper()
	dir := t.TempDir()
	if said, err := exec.Command("tar", "-C", dir, "-xf", file).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	return onlyImage(t, dir)
}

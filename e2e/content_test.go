package e2e

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"errors"
	"io"
	"io/fs"
	"path"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/internal/testtool"
)

var machines = map[string]elf.Machine{"linux/amd64": elf.EM_X86_64, "linux/arm64": elf.EM_AARCH64}

// tree is what the test keeps of a layer's files: path without a leading
// slash to entry.
type tree map[string]entry

type entry struct {
	*tar.Header
	content []byte // of those that are looked at as a whole
}

// Every file of every image: programs are for the image's platform, nothing
// names this machine, the linker's cache is of the files that are there, and
// the shim needs nothing.
func TestEveryFile(t *testing.T) {
	layers := map[v1.Hash]tree{} // images share them
	elfs := map[string]int{}
	for _, r := range pushed(t) {
		for _, platform := range bothPlatforms {
			t.Run(r.Name+":"+firstTag(r)+" "+platform, func(t *testing.T) {
				img := pull(t, r.Reference, platform)
				all := tree{}
				list, err := img.Layers()
				if err != nil {
					t.Fatal(err)
				}
				for _, l := range list {
					h, err := l.Digest()
					if err != nil {
						t.Fatal(err)
					}
					if layers[h] == nil {
						var n int
						layers[h], n = readLayer(t, l, platform)
						elfs[platform] += n
					}
					for name, e := range layers[h] {
						if strings.HasPrefix(path.Base(name), ".wh.") {
							t.Errorf("%s deletes a file of a lower layer", name)
						}
						all[name] = e
					}
				}
				checkShim(t, all, platform)
				checkLinkerCache(t, all, platform, r.Name == "golang" && r.Variant == "slim")
				checkConfig(t, img, platform)
			})
		}
	}
	for _, p := range bothPlatforms {
		if elfs[p] < 300 {
			t.Errorf("only %d programs and libraries for %s were looked at", elfs[p], p)
		}
	}
}

// readLayer goes through a layer once. It returns its entries and the number
// of ELF files.
func readLayer(t *testing.T, l v1.Layer, platform string) (tree, int) {
	t.Helper()
	rc, err := l.Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	files, elfs := tree{}, 0
	for tr := tar.NewReader(rc); ; {
		hdr, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return files, elfs
		}
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(hdr.Name, "/")
		if !fs.ValidPath(name) {
			t.Errorf("%q is no relative, clean path", hdr.Name)
		}
		if hdr.Typeflag == tar.TypeLink && !fs.ValidPath(hdr.Linkname) {
			t.Errorf("%s is a hard link to %q", name, hdr.Linkname)
		}
		if strings.ContainsRune("34", rune(hdr.Typeflag)) {
			t.Errorf("%s is a device", name)
		}
		if ofThisMachine(hdr.Linkname) || ofThisMachine(name) {
			t.Errorf("%s → %s is of this machine", name, hdr.Linkname)
		}
		e := entry{Header: hdr}
		if name == shimPath || name == cachePath {
			if e.content, err = io.ReadAll(tr); err != nil {
				t.Fatal(err)
			}
		} else if hdr.Typeflag == tar.TypeReg && hdr.Size >= 20 {
			begin := make([]byte, 20)
			if _, err := io.ReadFull(tr, begin); err != nil {
				t.Fatal(err)
			}
			if string(begin[:4]) == elf.ELFMAG && !forAnyTarget(name) {
				elfs++
				// e_machine, little-endian in both (System V ABI, ELF header).
				if m := elf.Machine(begin[18]) | elf.Machine(begin[19])<<8; m != machines[platform] {
					t.Errorf("%s is for %s in an image for %s", name, m, platform)
				}
			}
		}
		files[name] = e
	}
}

// forAnyTarget: objects that Go's linker puts into some builds for a target
// (-race, boringcrypto). They are part of the source, as Go has it, and not run.
func forAnyTarget(name string) bool {
	return strings.HasPrefix(name, "usr/local/go/src/") && strings.HasSuffix(name, ".syso")
}

const (
	shimPath  = "usr/local/bin/shim"
	cachePath = "etc/ld.so.cache"
)

func checkShim(t *testing.T, all tree, platform string) {
	t.Helper()
	shim, ok := all[shimPath]
	if !ok {
		t.Fatal("no shim")
	}
	if shim.Mode != 0o755 || shim.Uid != 0 || shim.Gid != 0 {
		t.Errorf("the shim has mode %o and owner %d:%d", shim.Mode, shim.Uid, shim.Gid)
	}
	f, err := elf.NewFile(bytes.NewReader(shim.content))
	if err != nil {
		t.Fatal(err)
	}
	libs, _ := f.ImportedLibraries()
	if f.Machine != machines[platform] || f.Section(".interp") != nil || len(libs) > 0 {
		t.Errorf("the shim is a %s for %s that needs %v", f.Type, f.Machine, libs)
	}
	if ofThisMachine(string(shim.content)) {
		t.Error("the shim names a folder of this machine")
	}
}

// checkLinkerCache looks at the paths in ld.so.cache, which end with a NUL.
func checkLinkerCache(t *testing.T, all tree, platform string, none bool) {
	t.Helper()
	cache, ok := all[cachePath]
	if none == ok {
		t.Fatalf("ld.so.cache is there: %v", ok)
	}
	if none {
		return
	}
	foreign := map[string]string{"linux/amd64": "aarch64", "linux/arm64": "x86"}[platform]
	libc := false
	for word := range strings.SplitSeq(string(cache.content), "\x00") {
		if !strings.HasPrefix(word, "/lib") && !strings.HasPrefix(word, "/usr/") {
			continue // numbers, too, may begin with a slash
		}
		name := strings.TrimPrefix(word, "/")
		if _, ok := all[name]; !ok {
			if _, ok = all["usr/"+name]; !ok { // /lib is a link to /usr/lib
				t.Errorf("ld.so.cache has %s, the image has not", word)
			}
		}
		if strings.Contains(word, foreign) {
			t.Errorf("ld.so.cache for %s has %s", platform, word)
		}
		libc = libc || strings.HasSuffix(word, "/libc.so.6")
	}
	if !libc {
		t.Error("ld.so.cache has no libc")
	}
}

func checkConfig(t *testing.T, img v1.Image, platform string) {
	t.Helper()
	raw, err := img.RawConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if ofThisMachine(string(raw)) {
		t.Errorf("the configuration names a folder of this machine: %s", raw)
	}
	c, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if got := c.OS + "/" + c.Architecture; got != platform {
		t.Errorf("the configuration is for %s", got)
	}
	if len(c.Config.Entrypoint) != 1 || c.Config.Entrypoint[0] != "/"+shimPath || c.Config.WorkingDir != "/code" {
		t.Errorf("entrypoint %q in %q", c.Config.Entrypoint, c.Config.WorkingDir)
	}
	if _, ok := c.Config.ExposedPorts["8080/tcp"]; !ok {
		t.Errorf("exposed: %v", c.Config.ExposedPorts)
	}
}

// ofThisMachine says whether the text has a folder of this test's.
func ofThisMachine(text string) bool {
	for _, dir := range []string{scratch, sharedStore, testtool.ModuleRoot()} {
		if strings.Contains(text, dir) {
			return true
		}
	}
	return false
}

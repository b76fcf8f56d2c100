package effect

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"encoding/binary"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// compareLdconfig puts libraries that need ldconfig's rarer rules into a real
// root, and compares the cache and the links of its own ldconfig with ours.
func compareLdconfig(t *testing.T, root string) {
	lib := filepath.Join(root, "usr/lib/x86_64-linux-gnu")
	libz, err := os.ReadFile(filepath.Join(lib, "libz.so.1"))
	if err != nil {
		t.Fatal(err)
	}
	resolv, err := os.ReadFile(filepath.Join(lib, "libresolv.so.2"))
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"glibc-hwcaps/x86-64-v3/libr.so.2.1": withISALevel(t, resolv),
		"glibc-hwcaps/x86-64-v3/libz.so.1.3": libz,
		"glibc-hwcaps/x86-64-v2/libz.so.1":   libz,
		"libz.so.1.10":                       libz, // newer than 1.9 and than the link
		"libz.so.1.9":                        libz,
		"libodd.so.7":                        libz, // another library's soname
		"liblinkerscript.so":                 []byte("INPUT(libz.so.1)\n"),
		"libz.so.1.11.dpkg-new":              libz,
		"../../local/lib/libz.so.1.0":        libz,                   // makes the link libz.so.1
		"../../../opt/x/lib/libz.so.1.0":     libz,                   // from ld.so.conf.d
		"libbroken.so.1":                     []byte(elf.ELFMAG[:3]), // too short for a header
	} {
		p := filepath.Join(lib, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	conf := []byte("# comment\n/opt/x/lib/ # another\ninclude /etc/ld.so.conf.d/none-*.conf\n/missing\n")
	if err := os.WriteFile(filepath.Join(root, "etc/ld.so.conf.d/00-x.conf"), conf, 0o644); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{"libz.so": "libz.so.1.9", "libalias.so.1": "libz.so.1.9", "libgone.so.1": "nowhere"} {
		if err := os.Symlink(target, filepath.Join(lib, link)); err != nil {
			t.Fatal(err)
		}
	}
	m := readRoot(t, root)
	if err := (ldCache{}).Apply(m); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "chroot", root, "/usr/sbin/ldconfig", "-i").CombinedOutput(); err != nil {
		t.Fatalf("ldconfig: %v\n%s", err, out)
	}
	want, err := os.ReadFile(filepath.Join(root, "etc/ld.so.cache"))
	if err != nil {
		t.Fatal(err)
	}
	if got := m.content["etc/ld.so.cache"]; !bytes.Equal(got, want) {
		t.Errorf("ld.so.cache differs: %s", firstDifference(got, want))
	}
	for p, hdr := range readRoot(t, root).entries {
		if hdr.Typeflag == tar.TypeSymlink && (m.entries[p] == nil || m.entries[p].Linkname != hdr.Linkname) {
			t.Errorf("/%s: got %s, want → %s", p, m.text(p), hdr.Linkname)
		}
	}
}

// withISALevel makes a library say that it needs x86-64-v3, by giving its note
// of CPU features another type.
func withISALevel(t *testing.T, lib []byte) []byte {
	t.Helper()
	f, err := elf.NewFile(bytes.NewReader(lib))
	if err != nil {
		t.Fatal(err)
	}
	lib = bytes.Clone(lib)
	for _, p := range f.Progs {
		if p.Type == elf.PT_GNU_PROPERTY {
			binary.LittleEndian.PutUint32(lib[p.Off+16:], 0xc0008002)
			binary.LittleEndian.PutUint32(lib[p.Off+24:], 0b111)
			return lib
		}
	}
	t.Fatal("the library has no GNU property to change")
	return nil
}

// readRoot reads those files of a root on disk that ldconfig looks at.
func readRoot(t *testing.T, root string) *memTree {
	t.Helper()
	m := newMemTree("amd64")
	for _, top := range []string{"etc/ld.so.conf", "etc/ld.so.conf.d", "lib", "lib64", "usr/lib", "usr/local/lib", "opt"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(name string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			p, _ := filepath.Rel(root, name)
			switch {
			case d.Type()&fs.ModeSymlink != 0:
				target, err := os.Readlink(name)
				m.link(p, target)
				return err
			case d.IsDir():
				m.add(&tar.Header{Typeflag: tar.TypeDir, Name: p, Mode: 0o755}, nil)
			case d.Type().IsRegular() && (ldCache{}).Keep(p):
				b, err := os.ReadFile(name)
				m.file(p, string(b))
				return err
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return m
}

package effect

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"path"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/rootfs"
)

// Flags of a cache entry (sysdeps/generic/ldconfig.h).
const (
	flagLibc6   = 0x0003
	flagX8664   = 0x0300
	flagX32     = 0x0800
	flagAArch64 = 0x0a00
)

// library is one shared library of a folder.
type library struct {
	name     string // of the file
	soname   string
	flags    uint32
	isaLevel uint32
	link     bool // the name is a link that stands for itself
}

// scanFolder returns the libraries of a folder, each soname once.
func scanFolder(t rootfs.Tree, d libraryFolder) ([]library, error) {
	var libs []library
	at := map[string]int{}
	for hdr := range t.Walk(d.real) {
		p := strings.Trim(hdr.Name, "/")
		if parent(p) != d.real || !isDSO(path.Base(p)) {
			continue
		}
		real, target, ok := resolve(t, p)
		if !ok || !regular(target) {
			continue
		}
		l, ok, err := readLibrary(t, real, path.Base(p))
		if err != nil {
			return nil, fmt.Errorf("reading the library /%s: %w", p, err)
		}
		if !ok {
			continue
		}
		// A link counts as itself only if its name is the soname or the short
		// one for the compiler; then it is listed by that.
		l.link = hdr.Typeflag == tar.TypeSymlink &&
			(l.name == l.soname || strings.HasSuffix(l.name, ".so") && strings.HasPrefix(l.soname, l.name))
		if l.link {
			l.soname = l.name
		}
		i, dup := at[l.soname]
		switch {
		case !dup:
			at[l.soname] = len(libs)
			libs = append(libs, l)
		case !l.link && libs[i].link, l.link == libs[i].link && compareLibraries(libs[i].name, l.name) < 0:
			libs[i] = l
		}
	}
	return libs, nil
}

// readLibrary reads the ELF file at real; ok is false where it is not a shared
// library for one of the machines that the architecture can run.
func readLibrary(t rootfs.Tree, real, name string) (l library, ok bool, err error) {
	c, err := t.Open(real)
	if err != nil {
		return l, false, err
	}
	defer c.Close()
	var magic [4]byte
	if _, err := c.ReadAt(magic[:], 0); err != nil || string(magic[:]) != elf.ELFMAG {
		return l, false, nil // a linker script, as libc.so of libc6-dev is
	}
	f, err := elf.NewFile(c)
	if err != nil {
		return l, false, err
	}
	flags, known := machineFlags(t.Arch(), f)
	if f.Type != elf.ET_DYN || !known {
		return l, false, nil
	}
	l = library{name: name, soname: name, flags: flags}
	names, err := f.DynString(elf.DT_SONAME)
	if err != nil {
		return l, false, err
	}
	if len(names) > 0 {
		l.soname = names[0]
	}
	if strings.ContainsAny(l.soname, "/\x00") || l.soname == "" {
		return l, false, fmt.Errorf("the soname %q is not a file name", l.soname)
	}
	l.isaLevel, err = isaLevel(f)
	return l, true, err
}

// machineFlags are the flags of a library's machine and word size.
func machineFlags(arch string, f *elf.File) (uint32, bool) {
	switch {
	case arch == "amd64" && f.Machine == elf.EM_X86_64 && f.Class == elf.ELFCLASS64:
		return flagLibc6 | flagX8664, true
	case arch == "amd64" && f.Machine == elf.EM_X86_64:
		return flagLibc6 | flagX32, true
	case arch == "amd64" && f.Machine == elf.EM_386:
		return flagLibc6, true
	case arch == "arm64" && f.Machine == elf.EM_AARCH64 && f.Class == elf.ELFCLASS64:
		return flagLibc6 | flagAArch64, true
	}
	return 0, false
}

// isaLevel is the x86 ISA level that a library needs: the number of the highest
// bit in the GNU property X86_ISA_1_NEEDED, 0 (the baseline) without it, as
// ldconfig 2.41 is seen to write it.
func isaLevel(f *elf.File) (uint32, error) {
	const noteProperty, isa1Needed = 5, 0xc0008002
	if f.Machine != elf.EM_X86_64 {
		return 0, nil
	}
	for _, p := range f.Progs {
		if p.Type != elf.PT_GNU_PROPERTY || p.Filesz > 4096 {
			continue
		}
		b, err := io.ReadAll(io.LimitReader(p.Open(), 4096))
		if err != nil {
			return 0, err
		}
		// One note: name size, description size, type, "GNU\0", properties.
		if len(b) < 16 || binary.LittleEndian.Uint32(b[8:]) != noteProperty || string(b[12:16]) != "GNU\x00" {
			continue
		}
		for b = b[16:]; len(b) >= 8; {
			kind, size := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
			if uint64(len(b)) < 8+uint64(size) {
				break
			}
			if kind == isa1Needed && size == 4 {
				return uint32(max(bits.Len32(binary.LittleEndian.Uint32(b[8:])), 1) - 1), nil
			}
			b = b[min(len(b), int(8+(size+7)&^7)):]
		}
	}
	return 0, nil
}

// linkSoname makes soname → file where the package did not ship the link.
func linkSoname(t rootfs.Tree, d libraryFolder, l library) error {
	if l.link || l.name == l.soname {
		return nil
	}
	at := d.real + "/" + l.soname
	hdr, ok := t.Lookup(at)
	if ok && hdr.Typeflag != tar.TypeSymlink {
		return nil // ldconfig says "is not a symbolic link" and leaves it
	}
	if ok {
		have, _, _ := resolve(t, at)
		if want, _, _ := resolve(t, d.real+"/"+l.name); have == want {
			return nil
		}
	}
	return putLink(t, at, l.name)
}

// findLibc returns the path of the C library in the tree, "" without one.
func findLibc(t rootfs.Tree) (string, error) {
	p := "usr/lib/" + multiarch[t.Arch()] + "/libc.so.6"
	real, hdr, ok := resolve(t, p)
	if !ok {
		return "", nil
	}
	if !regular(hdr) {
		return "", fmt.Errorf("/%s is not a file", p)
	}
	return real, nil
}

// generatorOf returns what ldconfig writes into the cache of itself, such as
// "ldconfig (Debian GLIBC 2.41-12) stable release version 2.41". The C library
// holds the same words behind "GNU C Library ".
func generatorOf(t rootfs.Tree, libc string) (string, error) {
	const mark, maxLength = "GNU C Library (", 200
	c, err := t.Open(libc)
	if err != nil {
		return "", err
	}
	defer c.Close()
	buf := make([]byte, 64<<10)
	for off := int64(0); off < c.Size(); off += int64(len(buf) - maxLength) {
		n, err := c.ReadAt(buf, off)
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("reading /%s: %w", libc, err)
		}
		i := bytes.Index(buf[:n], []byte(mark))
		if i < 0 || i > len(buf)-maxLength && off+int64(n) < c.Size() {
			continue
		}
		words, _, ok := bytes.Cut(buf[i+len(mark)-1:n], []byte(".\n"))
		if ok && len(words) < maxLength {
			return "ldconfig " + string(words), nil
		}
	}
	return "", fmt.Errorf("/%s does not say its version (%q…)", libc, mark)
}

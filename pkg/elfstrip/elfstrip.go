// Package elfstrip leaves out of an ELF file what no program needs to run:
// symbols for debuggers and debug information, as strip(1) does and as Debian
// ships all its programs. What is loaded into memory stays as it was, byte for
// byte, and so does the build ID by which debug information is found.
//
// The format is that of the System V ABI, chapter 4, "Object Files".
package elfstrip

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Magic is how an ELF file begins.
const Magic = elf.ELFMAG

// ErrLayout is wrapped where a file cannot be stripped by cutting its end off:
// it is of another class than 64-bit little-endian, or has something to load
// behind something to drop.
var ErrLayout = errors.New("cannot be stripped")

// Sizes of the ELF64 structures in bytes.
const (
	headerSize  = 64
	sectionSize = 64
	maxSections = 1 << 12
)

// Strip returns the stripped file and its size in bytes. r is read as the
// result is read, and must not change until then. A file that has nothing to
// drop comes out as it is.
func Strip(r io.ReaderAt, size int64) (io.Reader, int64, error) {
	var raw [headerSize]byte
	if _, err := r.ReadAt(raw[:], 0); err != nil {
		return nil, 0, fmt.Errorf("%w: reading its header: %w", ErrLayout, err)
	}
	var h elf.Header64
	if err := binary.Read(bytes.NewReader(raw[:]), binary.LittleEndian, &h); err != nil {
		return nil, 0, err
	}
	switch {
	case string(h.Ident[:4]) != elf.ELFMAG:
		return nil, 0, fmt.Errorf("%w: not an ELF file", ErrLayout)
	case h.Ident[elf.EI_CLASS] != byte(elf.ELFCLASS64), h.Ident[elf.EI_DATA] != byte(elf.ELFDATA2LSB):
		return nil, 0, fmt.Errorf("%w: not 64-bit little-endian", ErrLayout)
	case h.Shnum == 0:
		return io.NewSectionReader(r, 0, size), size, nil
	case h.Shentsize != sectionSize, h.Shnum > maxSections, h.Shstrndx >= h.Shnum:
		return nil, 0, fmt.Errorf("%w: its section headers are odd", ErrLayout)
	}
	sections := make([]elf.Section64, h.Shnum)
	table := io.NewSectionReader(r, int64(h.Shoff), int64(h.Shnum)*sectionSize)
	if err := binary.Read(table, binary.LittleEndian, sections); err != nil {
		return nil, 0, fmt.Errorf("%w: reading its section headers: %w", ErrLayout, err)
	}
	kept, cut, err := split(sections, size)
	if err != nil {
		return nil, 0, err
	}
	if kept == len(sections)-1 { // nothing but the names of the sections
		return io.NewSectionReader(r, 0, size), size, nil
	}
	if err := checkSegments(r, h, cut); err != nil {
		return nil, 0, err
	}
	names, err := sectionNames(r, sections[h.Shstrndx], size)
	if err != nil {
		return nil, 0, err
	}
	tail, err := writeTail(&h, sections[:kept], names, cut)
	if err != nil {
		return nil, 0, err
	}
	var head bytes.Buffer
	if err := binary.Write(&head, binary.LittleEndian, h); err != nil {
		return nil, 0, err
	}
	out := io.MultiReader(&head, io.NewSectionReader(r, headerSize, cut-headerSize), bytes.NewReader(tail))
	return out, cut + int64(len(tail)), nil
}

// split finds how many sections, from the first, are kept: those that are
// loaded. cut is where in the file they end.
func split(sections []elf.Section64, size int64) (kept int, cut int64, err error) {
	kept, cut = 1, headerSize
	first := size // of what is dropped
	for i, s := range sections[1:] {
		loaded := elf.SectionFlag(s.Flags)&elf.SHF_ALLOC != 0
		if loaded && kept != i+1 {
			return 0, 0, fmt.Errorf("%w: section %d is loaded, but one before it is not", ErrLayout, i+1)
		}
		if loaded {
			kept = i + 2
		}
		if elf.SectionType(s.Type) == elf.SHT_NOBITS {
			continue // has no place in the file, whatever its offset
		}
		if s.Off > uint64(size) || s.Size > uint64(size)-s.Off {
			return 0, 0, fmt.Errorf("%w: section %d lies outside the file", ErrLayout, i+1)
		}
		if loaded {
			cut = max(cut, int64(s.Off+s.Size))
		} else {
			first = min(first, int64(s.Off))
		}
	}
	if cut > first {
		return 0, 0, fmt.Errorf("%w: what is loaded ends at byte %d, behind the start of what is not at %d", ErrLayout, cut, first)
	}
	return kept, cut, nil
}

// checkSegments makes sure that every segment, and the table of them, ends
// before the cut.
func checkSegments(r io.ReaderAt, h elf.Header64, cut int64) error {
	if h.Phnum == 0 {
		return fmt.Errorf("%w: it is no program and no shared library", ErrLayout)
	}
	if int(h.Phentsize) != binary.Size(elf.Prog64{}) {
		return fmt.Errorf("%w: its program headers are odd", ErrLayout)
	}
	end := int64(h.Phoff) + int64(h.Phnum)*int64(h.Phentsize)
	segments := make([]elf.Prog64, h.Phnum)
	table := io.NewSectionReader(r, int64(h.Phoff), int64(h.Phnum)*int64(h.Phentsize))
	if err := binary.Read(table, binary.LittleEndian, segments); err != nil {
		return fmt.Errorf("%w: reading its program headers: %w", ErrLayout, err)
	}
	for _, s := range segments {
		end = max(end, int64(s.Off)+int64(s.Filesz))
	}
	if end > cut || end < 0 {
		return fmt.Errorf("%w: a segment ends at byte %d, behind the last loaded section at %d", ErrLayout, end, cut)
	}
	return nil
}

// sectionNames reads the string table of section names.
func sectionNames(r io.ReaderAt, s elf.Section64, size int64) ([]byte, error) {
	if s.Size > 1<<20 || int64(s.Off)+int64(s.Size) > size {
		return nil, fmt.Errorf("%w: its table of section names is odd", ErrLayout)
	}
	names := make([]byte, s.Size)
	if _, err := r.ReadAt(names, int64(s.Off)); err != nil {
		return nil, fmt.Errorf("%w: reading its section names: %w", ErrLayout, err)
	}
	return names, nil
}

// writeTail makes what follows the cut, the names of the kept sections and
// their headers, and points h at it.
func writeTail(h *elf.Header64, kept []elf.Section64, names []byte, cut int64) ([]byte, error) {
	const own = ".shstrtab"
	var out bytes.Buffer
	out.WriteByte(0) // the empty name comes first
	sections := make([]elf.Section64, 0, len(kept)+1)
	for i, s := range kept {
		if i > 0 {
			name, _, ok := bytes.Cut(names[min(int(s.Name), len(names)):], []byte{0})
			if !ok {
				return nil, fmt.Errorf("%w: section %d has no name", ErrLayout, i)
			}
			s.Name = uint32(out.Len())
			// A static program's relocations name the symbol table, as strip(1)
			// leaves them they name none.
			if int(s.Link) >= len(kept) {
				s.Link = 0
			}
			if elf.SectionFlag(s.Flags)&elf.SHF_INFO_LINK != 0 && int(s.Info) >= len(kept) {
				s.Info = 0
			}
			out.Write(name)
			out.WriteByte(0)
		}
		sections = append(sections, s)
	}
	sections = append(sections, elf.Section64{
		Name: uint32(out.Len()), Type: uint32(elf.SHT_STRTAB),
		Off: uint64(cut), Size: uint64(out.Len() + len(own) + 1), Addralign: 1,
	})
	out.WriteString(own)
	out.WriteByte(0)
	for (cut+int64(out.Len()))%8 != 0 {
		out.WriteByte(0)
	}
	h.Shoff = uint64(cut) + uint64(out.Len())
	h.Shnum = uint16(len(sections))
	h.Shstrndx = h.Shnum - 1
	if err := binary.Write(&out, binary.LittleEndian, sections); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

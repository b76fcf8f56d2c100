package program

import (
	"bytes"
	"encoding/binary"
	"io"
	"strings"
)

// elfFile is what matters of an ELF file for the question whether it can run
// here. Package debug/elf knows much more and would be a tenth of the shim.
type elfFile struct {
	// Machine is the GOARCH, "" where it is none of the usual.
	Machine string
	// Linker is the dynamic linker (PT_INTERP), "" for a static file.
	Linker string
	// Needed are the shared libraries (DT_NEEDED). RunPath is where it wants
	// them to be looked for (DT_RUNPATH); the older RPath (DT_RPATH) counts
	// for what they need in turn as well.
	Needed, RunPath, RPath []string
	// Wants are the versions of libraries that it cannot do without, Has those
	// that it is itself, as a library.
	Wants []libraryVersion
	Has   []string
}

// Limits of what is read of a file, which may be anything.
const (
	maxSegments = 128
	maxDynamic  = 16 << 10
	maxString   = 4096
)

// Types of segments and of dynamic entries (System V ABI, chapter 5).
const (
	ptLoad    = 1
	ptDynamic = 2
	ptInterp  = 3

	dtNull    = 0
	dtNeeded  = 1
	dtStrTab  = 5
	dtRPath   = 15
	dtRunPath = 29

	dtVerDef     = 0x6ffffffc
	dtVerDefNum  = 0x6ffffffd
	dtVerNeed    = 0x6ffffffe
	dtVerNeedNum = 0x6fffffff
)

// segment is a program header of a 64-bit file.
type segment struct {
	kind                uint32
	offset, addr, bytes uint64
}

func openELF(path string) (elfFile, bool) {
	f := openRegular(path)
	if f == nil {
		return elfFile{}, false
	}
	defer f.Close()
	return readELF(f)
}

// readELF reads 64-bit little-endian files; of others only the machine. ok is
// false where r is no ELF file. What is damaged is left out.
func readELF(r io.ReaderAt) (e elfFile, ok bool) {
	head := make([]byte, 64)
	if n, _ := r.ReadAt(head, 0); n < 20 || !bytes.HasPrefix(head, []byte("\x7fELF")) || head[5] != 1 {
		return e, false
	}
	e.Machine = machine(binary.LittleEndian.Uint16(head[18:]))
	if head[4] != 2 {
		return e, true
	}
	var loads []segment
	var dynamic segment
	for _, s := range segments(r, head) {
		switch s.kind {
		case ptLoad:
			loads = append(loads, s)
		case ptDynamic:
			dynamic = s
		case ptInterp:
			e.Linker = readString(r, s.offset)
		}
	}
	e.readDynamic(r, dynamic, loads)
	return e, true
}

func segments(r io.ReaderAt, head []byte) []segment {
	le := binary.LittleEndian
	at, size, n := le.Uint64(head[32:]), le.Uint16(head[54:]), le.Uint16(head[56:])
	if size < 56 || n > maxSegments || at > 1<<40 {
		return nil
	}
	var all []segment
	for i := range uint64(n) {
		b := make([]byte, 56)
		if k, _ := r.ReadAt(b, int64(at+i*uint64(size))); k < len(b) {
			break
		}
		all = append(all, segment{le.Uint32(b), le.Uint64(b[8:]), le.Uint64(b[16:]), le.Uint64(b[32:])})
	}
	return all
}

// readDynamic reads the table that the dynamic linker works by.
func (e *elfFile) readDynamic(r io.ReaderAt, dynamic segment, loads []segment) {
	if dynamic.bytes == 0 || dynamic.offset > 1<<40 {
		return
	}
	table := make([]byte, min(dynamic.bytes, maxDynamic))
	n, _ := r.ReadAt(table, int64(dynamic.offset))
	entries := map[uint64][]uint64{}
	for table = table[:n]; len(table) >= 16; table = table[16:] {
		kind, value := binary.LittleEndian.Uint64(table), binary.LittleEndian.Uint64(table[8:])
		if kind == dtNull {
			break
		}
		entries[kind] = append(entries[kind], value)
	}
	// Other tables are given by their address in memory.
	place := func(kind uint64) (offset uint64, ok bool) {
		for _, addr := range entries[kind] {
			for _, s := range loads {
				if addr >= s.addr && addr-s.addr < s.bytes {
					return s.offset + addr - s.addr, true
				}
			}
		}
		return 0, false
	}
	names, ok := place(dtStrTab)
	if !ok {
		return
	}
	for _, n := range entries[dtNeeded] {
		if name := readString(r, names+n); name != "" {
			e.Needed = append(e.Needed, name)
		}
	}
	for _, p := range entries[dtRunPath] {
		e.RunPath = append(e.RunPath, splitPath(readString(r, names+p))...)
	}
	for _, p := range entries[dtRPath] {
		e.RPath = append(e.RPath, splitPath(readString(r, names+p))...)
	}
	if at, ok := place(dtVerNeed); ok && len(entries[dtVerNeedNum]) > 0 {
		e.Wants = readWants(r, at, names, entries[dtVerNeedNum][0])
	}
	if at, ok := place(dtVerDef); ok && len(entries[dtVerDefNum]) > 0 {
		e.Has = readHas(r, at, names, entries[dtVerDefNum][0])
	}
}

// splitPath splits a list of folders at its colons.
func splitPath(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ':' })
}

// readString reads up to a NUL byte. Without one there is no string.
func readString(r io.ReaderAt, at uint64) string {
	if at > 1<<40 {
		return ""
	}
	b := make([]byte, maxString)
	n, _ := r.ReadAt(b, int64(at))
	s, _, ok := bytes.Cut(b[:n], []byte{0})
	if !ok {
		return ""
	}
	return string(s)
}

// machine is the GOARCH of an ELF machine number.
func machine(n uint16) string {
	switch n {
	case 3:
		return "386"
	case 40:
		return "arm"
	case 62:
		return "amd64"
	case 183:
		return "arm64"
	case 243:
		return "riscv64"
	}
	return ""
}

package program

import (
	"encoding/binary"
	"io"
	"slices"
)

// libraryVersion is a version of the interface of a shared library, such as
// GLIBC_2.38 of libc.so.6.
type libraryVersion struct{ library, version string }

// maxVersions limits the length of each list.
const maxVersions = 512

// weak is VER_FLG_WEAK: the dynamic linker starts the program without it.
const weak = 2

// readWants reads n records Verneed, each with its list of Vernaux (Linux
// Standard Base, "Symbol Versioning"). Their links count from the record.
func readWants(r io.ReaderAt, at, names, n uint64) []libraryVersion {
	var all []libraryVersion
	le := binary.LittleEndian
	for range min(n, maxVersions) {
		need, ok := record(r, at, 16)
		if !ok {
			break
		}
		library, aux := readString(r, names+uint64(le.Uint32(need[4:]))), at+uint64(le.Uint32(need[8:]))
		for range min(le.Uint16(need[2:]), maxVersions) {
			b, ok := record(r, aux, 16)
			if !ok || len(all) == maxVersions {
				break
			}
			if le.Uint16(b[4:])&weak == 0 {
				all = append(all, libraryVersion{library, readString(r, names+uint64(le.Uint32(b[8:])))})
			}
			aux += uint64(le.Uint32(b[12:]))
		}
		at += uint64(le.Uint32(need[12:]))
	}
	return all
}

// readHas reads n records Verdef and of each the first Verdaux, which is its
// name.
func readHas(r io.ReaderAt, at, names, n uint64) []string {
	var all []string
	le := binary.LittleEndian
	for range min(n, maxVersions) {
		def, ok := record(r, at, 20)
		if !ok {
			break
		}
		if b, ok := record(r, at+uint64(le.Uint32(def[12:])), 8); ok {
			all = append(all, readString(r, names+uint64(le.Uint32(b))))
		}
		at += uint64(le.Uint32(def[16:]))
	}
	return all
}

func record(r io.ReaderAt, at uint64, size int) ([]byte, bool) {
	if at > 1<<40 {
		return nil, false
	}
	b := make([]byte, size)
	n, _ := r.ReadAt(b, int64(at))
	return b, n == size
}

// lacks is the first version that e wants of a library which has others only.
func (e *elfFile) lacks(library string, has []string) (version string) {
	if len(has) == 0 {
		return "" // without versions every one will do, says ld.so
	}
	for _, w := range e.Wants {
		if w.library == library && w.version != "" && !slices.Contains(has, w.version) {
			return w.version
		}
	}
	return ""
}

package conformance

import (
	"encoding/binary"
	"runtime"
)

// withLinker is a small ELF file for this machine that asks for a dynamic
// linker: the header, a PT_INTERP and an empty PT_LOAD (System V ABI, chapters
// 4 and 5).
func withLinker(linker string) string {
	b := make([]byte, 176)
	copy(b, "\x7fELF\x02\x01\x01")
	le := binary.LittleEndian
	le.PutUint16(b[16:], 2)
	le.PutUint16(b[18:], map[string]uint16{"amd64": 62, "arm64": 183}[runtime.GOARCH])
	le.PutUint32(b[20:], 1)
	le.PutUint64(b[32:], 64)
	le.PutUint16(b[52:], 64)
	le.PutUint16(b[54:], 56)
	le.PutUint16(b[56:], 2)
	le.PutUint32(b[64:], 3)
	le.PutUint64(b[72:], 176)
	le.PutUint64(b[96:], uint64(len(linker)+1))
	le.PutUint32(b[120:], 1)
	le.PutUint32(b[124:], 5)
	le.PutUint64(b[136:], 0x400000)
	le.PutUint64(b[152:], 4096)
	le.PutUint64(b[160:], 4096)
	le.PutUint64(b[168:], 4096)
	return string(append(append(b, linker...), 0))
}

// foreign is the same for the other kind of machine.
func foreign() string {
	b := []byte(withLinker("/lib/ld.so"))
	binary.LittleEndian.PutUint16(b[18:], map[string]uint16{"amd64": 183, "arm64": 62}[runtime.GOARCH])
	return string(b)
}

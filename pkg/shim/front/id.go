package front

import (
	"encoding/hex"
	"math/rand/v2"

	"github.com/imgbuild/imgbuild/pkg/fc"
	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// maxID bounds ids, which stand in log lines.
const maxID = 128

// requestID is the platform's id of a request. Where there is none, or one
// that could be taken for something else in a log line, a new one is put into
// the request, so that the program knows it, too.
func requestID(r *message.Request) string {
	id := r.Header.Get(fc.HeaderRequestID)
	if !validID(id) {
		id = newID()
		r.Header.Set("X-Fc-Request-Id", id)
	}
	return id
}

func validID(id string) bool {
	if id == "" || len(id) > maxID {
		return false
	}
	for i := 0; i < len(id); i++ {
		if c := id[i]; c <= ' ' || c == ',' || c >= 0x7f {
			return false
		}
	}
	return true
}

// newID is a random UUID (RFC 9562, version 4). It names a request, it does
// not protect anything.
func newID() string {
	var b [16]byte
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	var s [36]byte
	hex.Encode(s[:], b[:4])
	s[8], s[13], s[18], s[23] = '-', '-', '-', '-'
	hex.Encode(s[9:], b[4:6])
	hex.Encode(s[14:], b[6:8])
	hex.Encode(s[19:], b[8:10])
	hex.Encode(s[24:], b[10:])
	return string(s[:])
}

package http1

import (
	"bytes"
	"io"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/fc"
)

type chunkState uint8

const (
	chunkSize    chunkState = iota // at the line with a chunk's size
	chunkData                      // in the data; left says how much of it
	chunkEnd                       // at the CRLF after the data
	chunkTrailer                   // after the last chunk's line
)

const (
	// chunkLine is the longest line with a size and extensions, in bytes.
	chunkLine = 4 << 10
	// chunkSpare is how many bytes of framing a body may have beyond 16 a
	// chunk and as many bytes of framing as it has of data: many empty-ish
	// chunks with long extensions are work for nothing.
	chunkSpare = 16 << 10
)

// frame goes on with the framing that is at hand, up to data, the end, or an
// error. It is false where more bytes are needed first (RFC 9112, section 7.1).
func (b *Body) frame() bool {
	if b.state == chunkData { // all of it was read
		b.state = chunkEnd
	}
	switch at := b.src.Peek(); b.state {
	case chunkEnd:
		if len(at) > 0 && at[0] != '\r' || len(at) > 1 && at[1] != '\n' {
			b.err = bad("a chunk is not followed by CRLF")
			return true
		}
		if len(at) < 2 {
			return false
		}
		b.src.Discard(2)
		b.state = chunkSize
	case chunkSize:
		n := bytes.IndexByte(at, '\n')
		switch {
		case n < 0 && len(at) <= chunkLine:
			return false
		case n < 0 || n > chunkLine:
			b.err = bad("the line with a chunk's size is too long")
			return true
		}
		b.size(at[:n])
		b.src.Discard(n + 1)
	case chunkTrailer:
		return b.readTrailer(at)
	}
	return true
}

// size reads a chunk's line, which has lost its LF.
func (b *Body) size(line []byte) {
	n, digits := int64(0), 0
	for ; digits < len(line); digits++ {
		d := unhex(line[digits])
		if d < 0 {
			break
		}
		if n > maxLength>>4 || digits >= 16 {
			b.err = bad("a chunk's size is too large")
			return
		}
		n = n<<4 | int64(d)
	}
	switch {
	case len(line) == 0 || line[len(line)-1] != '\r':
		b.err = bad("the line with a chunk's size does not end in CRLF")
		return
	case digits == 0:
		b.err = bad("a chunk's size is not a hexadecimal number")
		return
	}
	extension := bytes.TrimLeft(line[digits:len(line)-1], " \t")
	if len(extension) > 0 && extension[0] != ';' || len(extension) == 0 && digits != len(line)-1 {
		b.err = bad("a chunk's size is followed by what is not an extension")
		return
	}
	for _, c := range extension {
		if class[c]&text == 0 {
			b.err = bad("a chunk's extension has a control character")
			return
		}
	}
	if b.spare = min(b.spare-len(line)+16+int(min(n, chunkSpare)), chunkSpare); b.spare < 0 {
		b.err = bad("the chunks have too many extensions")
		return
	}
	b.left, b.state = n, chunkData
	if n == 0 {
		b.state = chunkTrailer
	}
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

// readTrailer ends the body (RFC 9112, section 7.1.2).
func (b *Body) readTrailer(at []byte) bool {
	switch {
	case len(at) > 0 && at[0] == '\n', len(at) > 1 && at[0] == '\r' && at[1] != '\n':
		b.err = bad("the end of the chunks is not CRLF")
		return true
	case len(at) < 2:
		return false
	case at[0] == '\r':
		b.src.Discard(2)
		b.err = io.EOF
		return true
	}
	section, ok, err := b.src.head(b.trailerLimit)
	if err != nil {
		b.err = &Error{431, "the trailer fields are larger than the limit"}
		return true
	}
	if !ok {
		return false
	}
	fields, err := parseFields(section, b.trailer[:0], false)
	if err != nil {
		b.err = err
		return true
	}
	kept := fields[:0]
	for _, f := range fields {
		if !notInTrailer(f.Name) {
			kept = append(kept, f)
		}
	}
	b.trailer, b.err = kept, io.EOF
	return true
}

// notInTrailer says whether a field counts before the body or not at all.
func notInTrailer(name string) bool {
	switch strings.ToLower(name) {
	case "transfer-encoding", "content-length", "host", "connection", "keep-alive", "proxy-connection", "upgrade", "te", "trailer",
		"expect", "range", "content-range", "content-encoding", "content-type", "authorization", "proxy-authorization",
		"www-authenticate", "proxy-authenticate", "cookie", "set-cookie", "max-forwards", "cache-control", "age", "expires", "date", "location", "vary":
		return true
	}
	return fc.Own(name)
}

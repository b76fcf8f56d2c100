package layer

import (
	"bufio"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/flate"
)

// Deflated is the content of a file that is at hand as a raw DEFLATE stream
// (RFC 1951), as zip archives have it. Reading it gives the content; a gzip
// layer takes a large one as it is, so that it need not be compressed again.
//
// It is trusted in nothing: a stream that is not exactly Size bytes with that
// checksum, or is followed by anything, is an error.
type Deflated struct {
	// Size is that of the content in bytes.
	Size int64
	// CRC32 is the IEEE checksum of the content.
	CRC32 uint32

	packed *bufio.Reader
	out    io.Reader
	copy   redirect
	crc    uint32
	n      int64
}

// NewDeflated returns the content of the stream raw, which must end where the
// compressed bytes end.
func NewDeflated(raw io.Reader, size int64, crc uint32) *Deflated {
	d := &Deflated{Size: size, CRC32: crc}
	d.packed = bufio.NewReaderSize(io.TeeReader(raw, &d.copy), 64<<10)
	d.out = flate.NewReader(d.packed)
	return d
}

// Read reads the content. io.EOF means that all of it was right.
func (d *Deflated) Read(p []byte) (int, error) {
	n, err := d.out.Read(p)
	d.crc = crc32.Update(d.crc, crc32.IEEETable, p[:n])
	if d.n += int64(n); d.n > d.Size {
		return 0, fmt.Errorf("inflating: more than the %d bytes announced", d.Size)
	}
	switch {
	case err == io.EOF:
		err = d.end()
	case err != nil:
		err = fmt.Errorf("inflating: %w", err)
	}
	return n, err
}

func (d *Deflated) end() error {
	switch _, err := d.packed.ReadByte(); {
	case err == nil:
		return errors.New("inflating: data after the end of the compressed stream")
	case err != io.EOF:
		return fmt.Errorf("inflating: %w", err)
	case d.n != d.Size:
		return fmt.Errorf("inflating: %d bytes where %d were announced: %w", d.n, d.Size, io.ErrUnexpectedEOF)
	case d.crc != d.CRC32:
		return errors.New("inflating: the checksum is wrong")
	}
	return io.EOF
}

// redirect gives what is written on, to nowhere where w is nil.
type redirect struct{ w io.Writer }

func (r *redirect) Write(p []byte) (int, error) {
	if r.w == nil {
		return len(p), nil
	}
	return r.w.Write(p)
}

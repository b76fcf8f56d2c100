package deb

import (
	"errors"
	"fmt"
	"io"
)

// ErrTooLarge is wrapped by errors about archives that unpack to more than
// their limits.
var ErrTooLarge = errors.New("unpacks to more than is allowed")

// Limits bound what a package may unpack to. Zero values mean the defaults.
type Limits struct {
	// Control is the largest size of one control file in bytes (8 MiB).
	Control int64
	// Data is the largest size of the whole data.tar in bytes (4 GiB).
	Data int64
	// Ratio is how many times larger than its compressed form data.tar may
	// become once it is over 64 MiB (500).
	Ratio int64
}

const (
	defaultControl = 8 << 20
	defaultData    = 4 << 30
	defaultRatio   = 500
	ratioFrom      = 64 << 20
	// maxControlTar bounds all control files of one package together.
	maxControlTar = 64 << 20
	maxEntries    = 1 << 20
	maxName       = 4096
	maxComponent  = 255
)

func (l Limits) withDefaults() Limits {
	if l.Control <= 0 {
		l.Control = defaultControl
	}
	if l.Data <= 0 {
		l.Data = defaultData
	}
	if l.Ratio <= 0 {
		l.Ratio = defaultRatio
	}
	return l
}

// countingReader counts what was read.
type countingReader struct {
	r io.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// guardedReader refuses to give out more than the limits allow, and knows how
// many zero bytes were at the end of what it gave: the end mark of a tar.
type guardedReader struct {
	r      io.Reader
	packed *countingReader
	max    int64
	ratio  int64
	n      int64
	zeros  int64
}

func (g *guardedReader) Read(p []byte) (int, error) {
	n, err := g.r.Read(p)
	g.n += int64(n)
	z := n
	for z > 0 && p[z-1] == 0 {
		z--
	}
	if z > 0 {
		g.zeros = int64(n - z)
	} else {
		g.zeros += int64(n)
	}
	if g.n > g.max {
		return 0, fmt.Errorf("more than %d bytes: %w", g.max, ErrTooLarge)
	}
	if g.n > ratioFrom && g.ratio > 0 && g.n/g.ratio > g.packed.n {
		return 0, fmt.Errorf("%d bytes from %d compressed ones: %w", g.n, g.packed.n, ErrTooLarge)
	}
	return n, err
}

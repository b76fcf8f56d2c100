package deb

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

const (
	arMagic      = "!<arch>\n"
	arHeaderSize = 60
	// arMaxSize bounds a member: the field holds at most ten decimal digits.
	arMaxSize = 9_999_999_999
)

// arReader reads the common ar format as deb(5) narrows it: no symbol table,
// no long-name table, space-padded decimal fields.
type arReader struct {
	r    io.Reader
	body io.LimitedReader
	pad  bool
}

// arMember is one member's header.
type arMember struct {
	Name string
	Size int64
}

func newArReader(r io.Reader) (*arReader, error) {
	var magic [len(arMagic)]byte
	if _, err := io.ReadFull(r, magic[:]); err != nil {
		return nil, fmt.Errorf("reading the ar magic: %w", noEOF(err))
	}
	if string(magic[:]) != arMagic {
		return nil, errors.New("not an ar archive: the magic !<arch> is missing")
	}
	return &arReader{r: r}, nil
}

// next skips what is left of the current member and returns the next one's
// header, or io.EOF after the last.
func (a *arReader) next() (arMember, error) {
	if a.body.N > 0 {
		n := a.body.N
		if m, err := io.Copy(io.Discard, &a.body); err != nil {
			return arMember{}, err
		} else if m != n {
			return arMember{}, fmt.Errorf("ar member is cut off: %w", io.ErrUnexpectedEOF)
		}
	}
	if a.pad {
		var p [1]byte
		if _, err := io.ReadFull(a.r, p[:]); err != nil {
			return arMember{}, fmt.Errorf("reading the padding of an ar member: %w", noEOF(err))
		}
		if p[0] != '\n' {
			return arMember{}, fmt.Errorf("ar member is padded with %q, not a newline", p[0])
		}
		a.pad = false
	}
	var h [arHeaderSize]byte
	if _, err := io.ReadFull(a.r, h[:]); err == io.EOF {
		return arMember{}, io.EOF
	} else if err != nil {
		return arMember{}, fmt.Errorf("reading an ar member header: %w", err)
	}
	m, err := parseArHeader(h[:])
	if err != nil {
		return arMember{}, err
	}
	a.body = io.LimitedReader{R: a.r, N: m.Size}
	a.pad = m.Size%2 == 1
	return m, nil
}

// Read reads the current member.
func (a *arReader) Read(p []byte) (int, error) {
	n, err := a.body.Read(p)
	if err == io.EOF && a.body.N > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func parseArHeader(h []byte) (arMember, error) {
	if h[58] != '`' || h[59] != '\n' {
		return arMember{}, errors.New("ar member header has a wrong end mark")
	}
	// GNU ar ends names with a slash, dpkg-deb does not; deb(5) allows both.
	name := strings.TrimSuffix(string(bytes.TrimRight(h[:16], " ")), "/")
	if name == "" || strings.ContainsAny(name, "/ \x00") {
		return arMember{}, fmt.Errorf("ar member has the name %q, which is not allowed in a .deb", h[:16])
	}
	for _, f := range []struct {
		what string
		text []byte
		base int
	}{{"time", h[16:28], 10}, {"owner", h[28:34], 10}, {"group", h[34:40], 10}, {"mode", h[40:48], 8}} {
		if _, err := parseArNumber(f.text, f.base, true); err != nil {
			return arMember{}, fmt.Errorf("ar member %s: %s: %w", name, f.what, err)
		}
	}
	size, err := parseArNumber(h[48:58], 10, false)
	if err != nil {
		return arMember{}, fmt.Errorf("ar member %s: size: %w", name, err)
	}
	if size > arMaxSize {
		return arMember{}, fmt.Errorf("ar member %s: size %d is too large", name, size)
	}
	return arMember{Name: name, Size: size}, nil
}

func parseArNumber(b []byte, base int, empty bool) (int64, error) {
	s := string(bytes.TrimRight(b, " "))
	if s == "" && empty {
		return 0, nil
	}
	n, err := strconv.ParseUint(s, base, 62)
	if err != nil || s[0] == '+' {
		return 0, fmt.Errorf("%q is not a number", b)
	}
	return int64(n), nil
}

// noEOF makes an end of file in the middle of something an error of its own.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

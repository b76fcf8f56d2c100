// Package deb reads Debian binary packages (deb(5), format 2.x) as a stream:
// the control files first, then the entries of data.tar one by one. It trusts
// nothing: sizes are limited, checksums verified, cut-off and overlong files
// refused, and entries that could leave the root refused by name.
package deb

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Reader reads one package.
type Reader struct {
	ar      *arReader
	lim     Limits
	control []ControlFile
	stanza  Stanza
	name    string // package and version, for messages

	data    *guardedReader
	closer  io.Closer
	packed  *countingReader
	tar     *tar.Reader
	entries int
	size    int64
	err     error
}

// NewReader reads the package's control part from r and stops before its data.
func NewReader(r io.Reader, lim Limits) (*Reader, error) {
	d := &Reader{lim: lim.withDefaults(), name: "package"}
	var err error
	if d.ar, err = newArReader(r); err != nil {
		return nil, err
	}
	if err := d.readVersion(); err != nil {
		return nil, err
	}
	if err := d.readControl(); err != nil {
		return nil, fmt.Errorf("reading control.tar: %w", err)
	}
	return d, nil
}

func (d *Reader) readVersion() error {
	m, err := d.ar.next()
	if err != nil {
		return noEOF(err)
	}
	if m.Name != "debian-binary" {
		return fmt.Errorf("not a Debian package: first member is %s", m.Name)
	}
	b, err := io.ReadAll(io.LimitReader(d.ar, 64))
	if err != nil {
		return fmt.Errorf("reading debian-binary: %w", err)
	}
	line, _, ok := bytes.Cut(b, []byte("\n"))
	if !ok || !strings.HasPrefix(string(line), "2.") {
		return fmt.Errorf("format version %q of the package is not 2.x", line)
	}
	return nil
}

// nextMember returns the next member that is not one of those with a leading
// underscore, which deb(5) keeps for extensions.
func (d *Reader) nextMember() (arMember, error) {
	for {
		m, err := d.ar.next()
		if err != nil || !strings.HasPrefix(m.Name, "_") {
			return m, err
		}
	}
}

func (d *Reader) readControl() error {
	if err := d.open("control.tar", maxControlTar, 0); err != nil {
		return err
	}
	defer d.closer.Close()
	var err error
	if d.control, err = readControl(d.data, d.lim); err != nil {
		return err
	}
	if err := d.drain(); err != nil {
		return err
	}
	for _, f := range d.control {
		if f.Name == "control" {
			if d.stanza, err = ParseStanza(f.Text); err != nil {
				return fmt.Errorf("file control: %w", err)
			}
		}
	}
	for _, f := range []string{"Package", "Version", "Architecture"} {
		if v := d.stanza.Get(f); v == "" || strings.ContainsAny(v, "/\n\x00 ") {
			return fmt.Errorf("file control: %s is absent or malformed", f)
		}
	}
	d.name = d.stanza.Get("Package") + " " + d.stanza.Get("Version")
	return nil
}

// open begins the tar member whose name starts with stem.
func (d *Reader) open(stem string, limit, ratio int64) error {
	m, err := d.nextMember()
	if err != nil {
		return noEOF(err)
	}
	d.packed = &countingReader{r: d.ar}
	c, err := decompress(m.Name, stem, d.packed)
	if err != nil {
		return noEOF(err)
	}
	d.closer = c
	d.data = &guardedReader{r: c, packed: d.packed, max: limit, ratio: ratio}
	return nil
}

// drain reads the rest of the tar's stream, which must be zeros, so that the
// compressor's checksum is verified and nothing hides behind the tar.
func (d *Reader) drain() error {
	buf := make([]byte, 32<<10)
	for {
		n, err := d.data.Read(buf)
		if len(bytes.Trim(buf[:n], "\x00")) > 0 {
			return errors.New("data after the end of the tar")
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return noEOF(err)
		}
	}
	// Two zero blocks end a tar (POSIX pax, "ustar Interchange Format").
	if d.data.zeros < 1024 {
		return fmt.Errorf("the tar's end mark is missing: %w", io.ErrUnexpectedEOF)
	}
	if n, err := io.Copy(io.Discard, d.packed); err != nil {
		return err
	} else if n > 0 {
		return errors.New("data after the end of the compressed stream")
	}
	return nil
}

// Control returns the files of control.tar in their order.
func (d *Reader) Control() []ControlFile { return d.control }

// Stanza returns the fields of the file control.
func (d *Reader) Stanza() Stanza { return d.stanza }

// Next goes to the next entry of data.tar and returns its header, with clean
// names ("usr/bin/x", "." for the root) that cannot leave the root. After the
// last entry the rest of the file is verified, and io.EOF returned.
func (d *Reader) Next() (*tar.Header, error) {
	if d.err != nil {
		return nil, d.err
	}
	h, err := d.next()
	if err != nil && err != io.EOF {
		err = fmt.Errorf("unpacking %s: %w", d.name, err)
	}
	d.err = err
	return h, err
}

func (d *Reader) next() (*tar.Header, error) {
	if d.tar == nil {
		if err := d.open("data.tar", d.lim.Data, d.lim.Ratio); err != nil {
			return nil, err
		}
		d.tar = tar.NewReader(d.data)
	}
	h, err := d.tar.Next()
	if err == io.EOF {
		return nil, d.end()
	}
	if err != nil {
		return nil, noEOF(err)
	}
	if d.entries++; d.entries > maxEntries {
		return nil, fmt.Errorf("more than %d entries: %w", maxEntries, ErrTooLarge)
	}
	c, err := checkEntry(h)
	if err != nil {
		return nil, err
	}
	// A sparse file's size is not in the stream.
	if d.size += c.Size; d.size > d.lim.Data {
		return nil, fmt.Errorf("entry %s: more than %d bytes: %w", c.Name, d.lim.Data, ErrTooLarge)
	}
	return c, nil
}

// end verifies all that follows the last entry and returns io.EOF.
func (d *Reader) end() error {
	if err := d.drain(); err != nil {
		return err
	}
	switch m, err := d.nextMember(); err {
	case io.EOF:
		return io.EOF
	case nil:
		return fmt.Errorf("member %s after data.tar", m.Name)
	default:
		return err
	}
}

// Read reads the content of the current entry.
func (d *Reader) Read(p []byte) (int, error) {
	if d.tar == nil {
		return 0, io.EOF
	}
	n, err := d.tar.Read(p)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("unpacking %s: %w", d.name, err)
	}
	return n, err
}

// Close frees what the decompressor holds. It does not close the source.
func (d *Reader) Close() error {
	if d.closer == nil {
		return nil
	}
	return d.closer.Close()
}

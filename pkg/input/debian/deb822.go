package debian

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"iter"
)

// Limits of one paragraph. The largest field of Debian's archives, the list of
// checksums in Release, has about 80 KB; the largest paragraph 150 KB.
const (
	maxFieldSize     = 4 << 20
	maxParagraphSize = 8 << 20
	maxFields        = 512
)

// SyntaxError is a mistake in a control file, at a line counted from 1.
type SyntaxError struct {
	Line int
	Msg  string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Msg) }

// Paragraph is one paragraph of a control file (Debian Policy 5.1).
type Paragraph struct {
	// Line is the line of the paragraph's first field, counted from 1.
	Line int

	text   []byte
	fields []field
}

// field holds offsets into Paragraph.text.
type field struct {
	name, nameEnd, value, end int
}

// Get returns the value of a field, "" where it is absent. Names are compared
// without regard to case. Continuation lines are kept as they are in the file,
// joined by newlines, each with its leading space.
func (p *Paragraph) Get(name string) string { return string(p.bytes(name)) }

// Has says whether the field is there.
func (p *Paragraph) Has(name string) bool { return p.bytes(name) != nil }

// Fields yields names and values in the order of the file.
func (p *Paragraph) Fields() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, f := range p.fields {
			if !yield(string(p.text[f.name:f.nameEnd]), string(p.text[f.value:f.end])) {
				return
			}
		}
	}
}

func (p *Paragraph) bytes(name string) []byte {
	for _, f := range p.fields {
		if equalFold(p.text[f.name:f.nameEnd], name) {
			return p.text[f.value:f.end]
		}
	}
	return nil
}

func equalFold(a []byte, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// Paragraphs yields the paragraphs of a control file: Packages, a package's
// control, dpkg's status. The paragraph is valid until the next one is asked
// for. After an error (a *SyntaxError, or the reader's own) nothing follows.
// Memory is bounded by the size limit of one paragraph.
func Paragraphs(r io.Reader) iter.Seq2[*Paragraph, error] {
	return func(yield func(*Paragraph, error) bool) {
		d := decoder{r: bufio.NewReaderSize(r, 64<<10)}
		for {
			p, err := d.next()
			if err == io.EOF || !yield(p, err) || err != nil {
				return
			}
		}
	}
}

// decoder reads paragraphs into one buffer that it uses again and again.
type decoder struct {
	r    *bufio.Reader
	line int
	p    Paragraph
}

// next returns the next paragraph, io.EOF after the last.
func (d *decoder) next() (*Paragraph, error) {
	p := &d.p
	p.text, p.fields, p.Line = p.text[:0], p.fields[:0], 0
	for {
		start, err := d.readLine()
		if err != nil && err != io.EOF {
			return nil, err
		}
		line := p.text[start:]
		if len(line) == 0 && err == io.EOF {
			if len(p.fields) == 0 {
				return nil, io.EOF
			}
			return p, nil
		}
		d.line++
		line = bytes.TrimSuffix(line, []byte{'\n'})
		if len(line) == 0 {
			if len(p.fields) > 0 {
				return p, nil
			}
			p.text = p.text[:0]
			continue
		}
		if serr := d.add(start, line); serr != nil {
			return nil, serr
		}
		if err == io.EOF {
			return p, nil
		}
	}
}

// readLine appends one line, with its newline, to the text and returns where
// it begins.
func (d *decoder) readLine() (start int, err error) {
	start = len(d.p.text)
	for {
		part, err := d.r.ReadSlice('\n')
		d.p.text = append(d.p.text, part...)
		if len(d.p.text) > maxParagraphSize {
			return start, d.fail(1, "the paragraph is larger than %d bytes", maxParagraphSize)
		}
		if err != bufio.ErrBufferFull {
			return start, err
		}
	}
}

// add takes a line of the text, which begins there at start, into the paragraph.
func (d *decoder) add(start int, line []byte) error {
	p := &d.p
	if bytes.IndexByte(line, 0) >= 0 {
		return d.fail(0, "a NUL byte")
	}
	if line[0] == ' ' || line[0] == '\t' {
		if len(p.fields) == 0 {
			return d.fail(0, "a continuation line with no field before it")
		}
		f := &p.fields[len(p.fields)-1]
		trimmed := bytes.TrimRight(line, " \t")
		if len(trimmed) == 0 {
			return d.fail(0, "a blank line in the value of field %s", p.text[f.name:f.nameEnd])
		}
		f.end = start + len(trimmed)
		if f.end-f.name > maxFieldSize {
			return d.fail(0, "field %s is larger than %d bytes", p.text[f.name:f.nameEnd], maxFieldSize)
		}
		return nil
	}
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 {
		return d.fail(0, "no field name: %.40q", line)
	}
	name := line[:colon]
	if !validFieldName(name) {
		return d.fail(0, "not a field name: %.40q", name)
	}
	if p.bytes(string(name)) != nil {
		return d.fail(0, "field %.40s twice in a paragraph", name)
	}
	if len(p.fields) == maxFields {
		return d.fail(0, "more than %d fields in a paragraph", maxFields)
	}
	if len(line) > maxFieldSize {
		return d.fail(0, "field %.40s is larger than %d bytes", name, maxFieldSize)
	}
	if len(p.fields) == 0 {
		p.Line = d.line
	}
	value := bytes.TrimLeft(line[colon+1:], " \t")
	f := field{name: start, nameEnd: start + colon, value: start + len(line) - len(value)}
	f.end = f.value + len(bytes.TrimRight(value, " \t"))
	p.fields = append(p.fields, f)
	return nil
}

// validFieldName follows Policy 5.1: printable ASCII without space and colon,
// not beginning with # or -.
func validFieldName(name []byte) bool {
	if name[0] == '#' || name[0] == '-' {
		return false
	}
	for _, c := range name {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return true
}

// fail reports the line just read, or with ahead 1 the one being read.
func (d *decoder) fail(ahead int, format string, args ...any) error {
	return &SyntaxError{Line: d.line + ahead, Msg: fmt.Sprintf(format, args...)}
}

package deb

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// ControlFile is one file of control.tar: control, postinst, md5sums, …
type ControlFile struct {
	Name string
	// Executable says whether the file has an execute bit, as scripts do.
	Executable bool
	Text       []byte
}

// readControl reads all files of control.tar.
func readControl(r io.Reader, lim Limits) ([]ControlFile, error) {
	var files []ControlFile
	seen := map[string]bool{}
	t := tar.NewReader(r)
	for {
		h, err := t.Next()
		if err == io.EOF {
			return files, nil
		}
		if err != nil {
			return nil, noEOF(err)
		}
		name := strings.TrimPrefix(h.Name, "./")
		if h.Typeflag == tar.TypeDir && (name == "" || name == ".") {
			continue
		}
		if h.Typeflag != tar.TypeReg || name == "" || strings.HasPrefix(name, ".") || strings.ContainsAny(name, "/\x00\n") || len(name) > maxComponent {
			return nil, fmt.Errorf("entry %q is not a plain file at the top", h.Name)
		}
		if seen[name] {
			return nil, fmt.Errorf("file %s is there twice", name)
		}
		seen[name] = true
		if h.Size > lim.Control {
			return nil, fmt.Errorf("file %s has %d bytes: %w", name, h.Size, ErrTooLarge)
		}
		// Not make([]byte, h.Size): a header may lie about what follows.
		var b bytes.Buffer
		if _, err := io.Copy(&b, io.LimitReader(t, lim.Control)); err != nil {
			return nil, fmt.Errorf("file %s: %w", name, noEOF(err))
		}
		files = append(files, ControlFile{Name: name, Executable: h.Mode&0o111 != 0, Text: b.Bytes()})
	}
}

// Field is one field of a stanza. Value holds the continuation lines too, with
// their leading space, joined by newlines.
type Field struct{ Name, Value string }

// Stanza is one paragraph of deb822(5) fields in the order of the file.
type Stanza []Field

// Get returns the value of the field, whose name is compared without case.
func (s Stanza) Get(name string) string {
	for _, f := range s {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

// ParseStanza reads a control file: exactly one paragraph.
func ParseStanza(text []byte) (Stanza, error) {
	var s Stanza
	ended := false
	seen := map[string]bool{}
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimRight(line, " \t\r")
		switch {
		case line == "":
			ended = len(s) > 0
			continue
		case ended:
			return nil, fmt.Errorf("line %d: a second paragraph", i+1)
		case strings.HasPrefix(line, "#"):
			continue
		case line[0] == ' ' || line[0] == '\t':
			if len(s) == 0 {
				return nil, fmt.Errorf("line %d: continues no field", i+1)
			}
			s[len(s)-1].Value += "\n" + line
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || name == "" || strings.ContainsAny(name, " \t\x00") || strings.HasPrefix(name, "-") {
			return nil, fmt.Errorf("line %d: not a field", i+1)
		}
		if seen[strings.ToLower(name)] {
			return nil, fmt.Errorf("line %d: field %s is there twice", i+1, name)
		}
		seen[strings.ToLower(name)] = true
		s = append(s, Field{name, strings.TrimSpace(value)})
	}
	if len(s) == 0 {
		return nil, errors.New("no fields")
	}
	return s, nil
}

package conformance

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Place makes the file at path, with the folders that it is in. One of the host
// gets another name there where that can be.
func (f File) Place(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if f.From != "" && os.Link(f.From, path) == nil {
		return nil
	}
	return f.Copy(path)
}

// Copy is Place for a file that is written to: it shares nothing with the host's.
func (f File) Copy(path string) error {
	var in io.Reader = strings.NewReader(f.Content)
	if f.From != "" {
		from, err := os.Open(f.From)
		if err != nil {
			return err
		}
		defer from.Close()
		in = from
	}
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, f.Mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Chmod(f.Mode), out.Close()) // whatever the umask is
}

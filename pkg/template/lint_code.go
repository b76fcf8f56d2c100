package template

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// code looks at the folder of a code package. What is packed already is not
// looked into.
func (l *linter) code() {
	if l.f.Code == "" {
		return
	}
	dir := filepath.Join(filepath.Dir(l.f.File), filepath.FromSlash(l.f.Code))
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		l.add("code", Error, l.at("Code"), "there is no "+dir, "build it, or name the folder of the code, seen from the template")
		return
	case err != nil || !info.IsDir() || len(l.f.Entrypoint) > 0:
		return
	}
	l.bootstrap(filepath.Join(dir, "bootstrap"))
}

// bootstrap looks at the program that starts a code package.
func (l *linter) bootstrap(path string) {
	line := l.at("Code")
	info, err := os.Stat(path)
	if err != nil {
		l.add("bootstrap", Error, line, "there is no "+path, "add it, or say what to start in customRuntimeConfig; the platform says CAFileNotFound")
		return
	}
	if info.Mode().Perm()&0o111 == 0 {
		l.add("bootstrap", Error, line, path+" may not be run", "chmod +x "+path+"; the platform says CAFilePermission")
	}
	f, err := os.Open(path)
	if err != nil {
		return
	}
	defer f.Close()
	head := make([]byte, 256)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return
	}
	first, _, _ := bytes.Cut(head[:n], []byte("\n"))
	switch {
	case bytes.HasPrefix(first, []byte("\x7fELF")):
	case !bytes.HasPrefix(first, []byte("#!")):
		l.add("bootstrap", Error, line, path+" is neither a program nor a script with a #! line", "begin it with #!/bin/sh; the platform says exec format error (CAExited)")
	case bytes.HasSuffix(first, []byte("\r")):
		l.add("bootstrap", Error, line, "the #! line of "+path+" ends as on Windows", "save it with the line ends of Unix; the kernel finds no such interpreter (CAFileNotFound)")
	}
}

package sbom

import (
	"bufio"
	"debug/buildinfo"
	"io"
	"runtime/debug"
)

// program is what a Go program says of itself.
type program struct {
	// Go is the version of the toolchain: go1.27.3.
	Go string
	// Modules has the main module first, if the program has one.
	Modules []debug.Module
}

// spool holds one program at a time on disk: its build information is found
// only by reading here and there in it.
type spool struct {
	open func() (tempFile, error)
	file tempFile
	w    *bufio.Writer
}

// reset makes room for the next program.
func (s *spool) reset() error {
	if s.file == nil {
		f, err := s.open()
		if err != nil {
			return err
		}
		s.file, s.w = f, bufio.NewWriterSize(f, 256<<10)
	}
	if err := s.file.Truncate(0); err != nil {
		return err
	}
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	s.w.Reset(s.file)
	return nil
}

// Write implements io.Writer.
func (s *spool) Write(p []byte) (int, error) { return s.w.Write(p) }

func (s *spool) close() {
	if s.file != nil {
		s.file.Close()
	}
}

// program returns what the program says of itself, nil for one that is not of
// Go or is damaged.
func (s *spool) program() *program {
	if s.w.Flush() != nil {
		return nil
	}
	return readProgram(s.file)
}

// readProgram reads build information as `go version -m` does.
func readProgram(r io.ReaderAt) (p *program) {
	// Package debug/elf says of itself that hostile files may make it panic.
	defer func() {
		if recover() != nil {
			p = nil
		}
	}()
	info, err := buildinfo.Read(r)
	if err != nil {
		return nil
	}
	return programOf(info)
}

// programOf takes a module that another replaces for the other one. A folder
// in its place, which has neither a name nor a version outside of the machine
// it was on, leaves the module's name without a version.
func programOf(info *debug.BuildInfo) *program {
	p := &program{Go: info.GoVersion}
	if info.Main.Path != "" {
		p.Modules = append(p.Modules, info.Main)
	}
	for _, m := range info.Deps {
		switch r := m.Replace; {
		case r == nil:
			p.Modules = append(p.Modules, *m)
		case r.Version == "":
			p.Modules = append(p.Modules, debug.Module{Path: m.Path})
		default:
			p.Modules = append(p.Modules, *r)
		}
	}
	return p
}

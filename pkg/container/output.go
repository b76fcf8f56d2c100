package container

import (
	"io"
	"os"
	"sync"
)

// wires are the ends of pipes that stay with imgbuild.
type wires struct {
	in     *os.File
	source io.Reader
	out    []*os.File
	to     []io.Writer
}

func (w *wires) ours() []*os.File {
	if w.in != nil {
		return append([]*os.File{w.in}, w.out...)
	}
	return w.out
}

// wire makes the container's standard files.
func (s Spec) wire() (std [3]*os.File, w *wires, err error) {
	w = &wires{}
	defer func() {
		if err != nil {
			closeAll(w.ours())
			for _, f := range std {
				if f != nil {
					f.Close()
				}
			}
		}
	}()
	if s.Stdin == nil {
		std[0], err = os.Open(os.DevNull)
	} else if std[0], w.in, err = os.Pipe(); err == nil {
		w.source = s.Stdin
	}
	if err != nil {
		return std, w, err
	}
	for n, to := range []io.Writer{s.Stdout, s.Stderr} {
		if n == 1 && to != nil && same(s.Stdout, s.Stderr) {
			std[2], err = dup(int(std[1].Fd())) // one pipe, so that the order stays
		} else if to == nil {
			std[n+1], err = os.OpenFile(os.DevNull, os.O_WRONLY, 0)
		} else {
			var ours *os.File
			if ours, std[n+1], err = os.Pipe(); err == nil {
				w.out, w.to = append(w.out, ours), append(w.to, to)
			}
		}
		if err != nil {
			return std, w, err
		}
	}
	return std, w, nil
}

// same says whether both are the same writer; those that cannot be compared are
// not.
func same(a, b io.Writer) bool {
	defer func() { _ = recover() }()
	return a == b
}

// copy moves input and output until the container's ends are closed, and then
// says that the output is through.
func (c *Container) copy(w *wires) {
	defer close(c.output)
	if w.in != nil {
		go func() {
			defer w.in.Close()
			_, _ = io.Copy(w.in, w.source) // the container need not read it
		}()
	}
	var all sync.WaitGroup
	for n, f := range w.out {
		all.Go(func() {
			defer f.Close()
			if _, err := io.Copy(w.to[n], f); err != nil {
				_, _ = io.Copy(io.Discard, f) // who wants no more does not hold the container up
			}
		})
	}
	all.Wait()
}

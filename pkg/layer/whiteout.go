package layer

import (
	"archive/tar"
	"errors"
	"fmt"
	"path"
	"time"
)

// Whiteout is what the name of an entry begins with which says that a file of
// the layers below is gone (image-spec, layer.md: whiteouts).
const Whiteout = ".wh."

// Hide says in a layer that what the layers below have at a path is gone. It is
// for the Sink of Build alone: inputs add no such entry.
func Hide(s Sink, hidden string, at time.Time) error {
	w, ok := s.(*writer)
	if !ok {
		return errors.New("only a layer that is being built can hide a file")
	}
	if w.err == nil {
		w.err = w.hide(hidden, at)
	}
	return w.err
}

func (w *writer) hide(hidden string, at time.Time) error {
	if !validPath(hidden) {
		return fmt.Errorf("%q: not a clean path inside a layer", hidden)
	}
	if _, ok := w.seen[hidden]; ok {
		return fmt.Errorf("%s: hidden in the layer that has it", hidden)
	}
	if err := w.parents(hidden); err != nil {
		return err
	}
	dir, base := path.Split(hidden)
	return w.write(tar.Header{Name: dir + Whiteout + base, Typeflag: tar.TypeReg, ModTime: at.Truncate(time.Second).UTC()}, nil)
}

package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/dockerfile"
)

// writing is an --output of a Dockerfile's files in place of an image.
type writing struct {
	dest string // of a folder, or of a tar; "-" is standard output
	tar  bool

	temp *os.File // what becomes a tar at dest
}

// takeWritings takes those outputs of files out of the others, which are images.
// Its errors are those of usage.
func takeWritings(outputs []string) (images []string, files []writing, err error) {
	for _, s := range outputs {
		if s == "" || !strings.Contains(s, "=") {
			if s == "" {
				return nil, nil, usage("--output is empty; write type=TYPE,dest=PATH")
			}
			files = append(files, writing{dest: s, tar: s == "-"}) // as for docker
			continue
		}
		values := map[string]string{}
		for part := range strings.SplitSeq(s, ",") {
			key, value, _ := strings.Cut(part, "=")
			values[key] = value
		}
		kind := values["type"]
		if kind != "local" && kind != "tar" {
			images = append(images, s)
			continue
		}
		w := writing{dest: values["dest"], tar: kind == "tar"}
		delete(values, "type")
		delete(values, "dest")
		switch {
		case len(values) > 0:
			return nil, nil, usage("--output %q: the keys are type and dest", s)
		case w.dest == "" || w.dest == "-" && !w.tar:
			return nil, nil, usage("--output %q: no dest; add dest=PATH", s)
		}
		files = append(files, w)
	}
	return images, files, nil
}

// openFiles makes what the builder writes to. A tar appears whole or not at all.
func (d *dockerfileBuild) openFiles() error {
	d.written = d.out.trees
	d.build.Image = len(d.written) == 0 || d.out.push || d.out.load || len(d.out.files) > 0
	for i := range d.written {
		w := &d.written[i]
		switch {
		case !w.tar:
			d.build.Files = append(d.build.Files, dockerfile.File{Dir: w.dest})
		case w.dest == "-":
			d.build.Files = append(d.build.Files, dockerfile.File{Tar: os.Stdout})
		default:
			f, err := os.CreateTemp(filepath.Dir(w.dest), ".imgbuild-*")
			if err != nil {
				return fmt.Errorf("writing %s: %w", w.dest, err)
			}
			w.temp = f
			d.build.Files = append(d.build.Files, dockerfile.File{Tar: f})
		}
	}
	return nil
}

// rewindFiles takes back what a build before this one wrote.
func (d *dockerfileBuild) rewindFiles() error {
	for _, w := range d.written {
		if w.temp == nil {
			continue
		}
		if err := w.temp.Truncate(0); err != nil {
			return err
		}
		if _, err := w.temp.Seek(0, io.SeekStart); err != nil {
			return err
		}
	}
	return nil
}

// keepFiles puts what was written where it belongs.
func (d *dockerfileBuild) keepFiles() error {
	for i := range d.written {
		w := &d.written[i]
		if w.temp == nil {
			continue
		}
		err := w.temp.Chmod(0o644)
		if e := w.temp.Close(); err == nil {
			err = e
		}
		if err == nil {
			err = os.Rename(w.temp.Name(), w.dest)
		}
		if err != nil {
			return fmt.Errorf("writing %s: %w", w.dest, err)
		}
		w.temp = nil
	}
	for _, w := range d.written {
		if w.dest != "-" {
			d.g.noteOnce("written to %s", w.dest)
		}
	}
	return nil
}

func (d *dockerfileBuild) discardFiles() {
	for _, w := range d.written {
		if w.temp != nil {
			w.temp.Close()
			os.Remove(w.temp.Name())
		}
	}
}

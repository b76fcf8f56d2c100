package function

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/imgbuild/imgbuild/pkg/layer"
)

// treeFile is one file or symbolic link of a folder.
type treeFile struct {
	name string // relative to the folder, with slashes
	path string // on this machine
	mode int64  // 0644 or 0755: what a umask may have changed does not count
	size int64
	link string // target of a symbolic link
	sum  []byte // SHA-256 of the content, nil where it was not asked for
}

// scan lists the files of a folder in the order of their paths, folder by
// folder. skip leaves out what it says, with all that is in it. Folders are
// there by their files: git has no empty ones either, so that a checkout gives
// the same image. Sockets and the like are left out.
func scan(ctx context.Context, dir string, hashed bool, skip func(name string, isDir bool) (bool, error)) (files []treeFile, err error) {
	err = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == dir {
			return err
		}
		if err := context.Cause(ctx); err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(rel)
		if skip != nil {
			skipped, err := skip(name, d.IsDir())
			if err != nil {
				return err
			}
			if skipped && d.IsDir() {
				return fs.SkipDir
			}
			if skipped {
				return nil
			}
		}
		f := treeFile{name: name, path: p}
		switch {
		case d.Type()&fs.ModeSymlink != 0:
			if f.link, err = os.Readlink(p); err != nil {
				return err
			}
		case d.Type().IsRegular():
			fi, err := d.Info()
			if err != nil {
				return err
			}
			f.size, f.mode = fi.Size(), 0o644
			if fi.Mode()&0o100 != 0 {
				f.mode = 0o755
			}
			if hashed {
				if f.sum, err = hashFile(p); err != nil {
					return err
				}
			}
		default:
			return nil
		}
		files = append(files, f)
		return nil
	})
	return files, err
}

// treeKey stands for the files with all that gets into a layer.
func treeKey(files []treeFile) string {
	h := sha256.New()
	for _, f := range files {
		fmt.Fprintf(h, "%q %o %d %q %x\n", f.name, f.mode, f.size, f.link, f.sum)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// treeLayer is the layer with hashed files below /code, made if it is not
// there, and the key it is found by.
func (m *Maker) treeLayer(ctx context.Context, files []treeFile) (*layer.Layer, string, error) {
	key := "function tree " + treeKey(files) + " " + m.Compression.ID()
	if l, ok := layer.Find(m.Store, key); ok {
		return l, key, nil
	}
	l, err := m.pack(ctx, codeDir, files)
	if err != nil {
		return nil, "", err
	}
	return l, key, l.Remember(key)
}

// pack makes a layer of the files below to.
func (m *Maker) pack(ctx context.Context, to string, files []treeFile) (*layer.Layer, error) {
	l, err := layer.Build(m.Store, m.Compression, func(sink layer.Sink) error {
		for _, f := range files {
			if err := context.Cause(ctx); err != nil {
				return err
			}
			if err := f.add(sink, path.Join(to, f.name)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, m.Store.Explain(err)
	}
	return l, nil
}

func (f treeFile) add(sink layer.Sink, name string) error {
	if f.link != "" {
		return sink.Add(&tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: f.link, ModTime: fileTime}, nil)
	}
	file, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer file.Close()
	h := sha256.New()
	hdr := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: f.mode, Size: f.size, ModTime: fileTime}
	if err := sink.Add(hdr, io.TeeReader(file, h)); err != nil {
		return err
	}
	// The layer will be found by the sum.
	if f.sum != nil && f.size > 0 && !bytes.Equal(h.Sum(nil), f.sum) {
		return fmt.Errorf("%s has changed while it was read; run the command again", f.path)
	}
	return nil
}

package function

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/stream"
)

// maxBaseFiles is how many files of a base are listed; full images have 10,000.
const maxBaseFiles = 1_000_000

// maxLinks is how many symbolic links lead to a file, as in the kernel.
const maxLinks = 40

// baseFileKind is the kind of the store's records: image and path → whether
// it has the file.
const baseFileKind = "base-file"

// baseHas says whether the base has a file at an absolute path, also behind
// links. It is remembered, as the layers of a base must be unpacked for it.
func (m *Maker) baseHas(ctx context.Context, base Base, name string) (has bool, err error) {
	digest, err := base.Image.Digest()
	if err != nil {
		return false, err
	}
	key := digest.String() + " " + name
	if ok, err := m.Store.Record(baseFileKind, key, &has); ok || err != nil {
		return has, err
	}
	if m.baseFiles == nil {
		m.baseFiles = map[v1.Hash]baseFiles{}
	}
	files, ok := m.baseFiles[digest]
	if !ok {
		if files, err = listBase(ctx, base.Image); err != nil {
			return false, fmt.Errorf("reading the files of %s: %w", base.Name, err)
		}
		m.baseFiles[digest] = files
	}
	has = files.has(name)
	return has, m.Store.PutRecord(baseFileKind, key, has)
}

// baseFiles are an image's paths, relative to its root; symbolic links with
// their target.
type baseFiles map[string]string

// listBase reads the layers from the bottom up.
func listBase(ctx context.Context, img v1.Image) (baseFiles, error) {
	layers, err := img.Layers()
	if err != nil {
		return nil, err
	}
	files := baseFiles{}
	for _, l := range layers {
		if err := files.add(ctx, l); err != nil {
			return nil, err
		}
	}
	return files, nil
}

func (b baseFiles) add(ctx context.Context, l v1.Layer) error {
	r, err := l.Uncompressed()
	if err != nil {
		return err
	}
	defer r.Close()
	t := tar.NewReader(stream.Until(ctx, r))
	for {
		h, err := t.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(path.Clean("/"+h.Name), "/")
		dir, last := path.Split(name)
		// image-spec, layer.md, "Whiteouts".
		if last == ".wh..wh..opq" {
			b.removeBelow(strings.TrimSuffix(dir, "/"))
			continue
		}
		if gone, ok := strings.CutPrefix(last, ".wh."); ok {
			delete(b, dir+gone)
			b.removeBelow(dir + gone)
			continue
		}
		for d := path.Dir(name); d != "."; d = path.Dir(d) {
			if _, ok := b[d]; ok {
				break
			}
			b[d] = "" // a folder that the layer does not bother to name
		}
		link := ""
		if h.Typeflag == tar.TypeSymlink {
			link = h.Linkname
		}
		if b[name] = link; len(b) > maxBaseFiles {
			return errors.New("there are too many")
		}
	}
}

func (b baseFiles) removeBelow(dir string) {
	for name := range b {
		if strings.HasPrefix(name, dir+"/") {
			delete(b, name)
		}
	}
}

// has follows links on the way to a file.
func (b baseFiles) has(name string) bool {
	rest := strings.Split(strings.Trim(path.Clean(name), "/"), "/")
	at := ""
	for links := 0; len(rest) > 0; {
		next := path.Join(at, rest[0])
		link, ok := b[next]
		switch {
		case !ok:
			return false
		case link == "":
			at, rest = next, rest[1:]
			continue
		}
		if links++; links > maxLinks {
			return false
		}
		to := path.Join("/", at, link)
		if path.IsAbs(link) {
			to = path.Clean(link)
		}
		rest = append(strings.Split(strings.Trim(to, "/"), "/"), rest[1:]...)
		at = ""
	}
	return true
}

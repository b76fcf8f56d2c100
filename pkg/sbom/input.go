package sbom

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/klauspost/compress/gzip"

	"github.com/imgbuild/imgbuild/pkg/deb"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/stream"
)

// maxInputText is the size in bytes of what is read from an input.
const maxInputText = 4 << 20

// npmManifest reads the package.json at the top of a locked tarball.
func (b *builder) npmManifest(in lock.Input) (_ manifest, err error) {
	r, err := b.options.open(b.ctx, in)
	if err != nil {
		return manifest{}, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	z, err := gzip.NewReader(r)
	if err != nil {
		return manifest{}, err
	}
	t := tar.NewReader(stream.Limit(z, maxUnpacked, errTooLarge))
	for {
		h, err := t.Next()
		if err == io.EOF {
			return manifest{}, errors.New("it has no package.json")
		}
		if err != nil {
			return manifest{}, err
		}
		// npm strips the first folder, whatever it is called.
		if _, rest, _ := strings.Cut(path.Clean(h.Name), "/"); rest != "package.json" || h.Typeflag != tar.TypeReg {
			continue
		}
		text, err := readText(t)
		if err != nil {
			return manifest{}, err
		}
		m, ok := parseManifest(text)
		if !ok || m.Name != in.Name || m.Version != in.Version {
			return manifest{}, fmt.Errorf("its package.json is of %s %s", m.Name, m.Version)
		}
		return m, nil
	}
}

// debianCopyright reads the copyright file of a locked package: nil where it
// has none, as packages whose folder in usr/share/doc is a link to another's.
func (b *builder) debianCopyright(in lock.Input) (_ []byte, err error) {
	r, err := b.options.open(b.ctx, in)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	d, err := deb.NewReader(r, deb.Limits{})
	if err != nil {
		return nil, err
	}
	defer d.Close()
	for {
		h, err := d.Next()
		if err == io.EOF {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		if h.Name == docDir+in.Name+"/copyright" && h.Typeflag == tar.TypeReg {
			return readText(d)
		}
	}
}

func readText(r io.Reader) ([]byte, error) {
	var b bytes.Buffer
	if n, err := io.Copy(&b, io.LimitReader(r, maxInputText+1)); err != nil {
		return nil, err
	} else if n > maxInputText {
		return nil, errTooLarge
	}
	return b.Bytes(), nil
}

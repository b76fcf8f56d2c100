package layer

import (
	"archive/tar"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"path"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/store"
)

// Build makes one layer: fill adds its entries, and they stream through tar
// and the compressor into the store. Nothing is left behind on an error.
func Build(s *store.Store, c Compression, fill func(Sink) error) (*Layer, error) {
	blob, err := s.Create()
	if err != nil {
		return nil, err
	}
	defer blob.Discard()
	packed, err := c.writer(blob)
	if err != nil {
		return nil, err
	}
	w := newWriter(packed)
	if err := cmp.Or(fill(w), w.err); err != nil {
		packed.Close() // its goroutines must end; the blob is thrown away
		return nil, err
	}
	if err := errors.Join(w.tar.Close(), packed.Close()); err != nil {
		return nil, fmt.Errorf("writing a layer: %w", err)
	}
	digest, err := blob.Commit(v1.Hash{})
	if err != nil {
		return nil, err
	}
	size, _ := s.Has(digest)
	r := Record{
		Digest:      digest,
		DiffID:      v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(w.diffID.Sum(nil))},
		Size:        size,
		Compression: c,
		Newest:      w.newest,
	}
	return &Layer{store: s, record: r}, nil
}

// writer is the Sink behind Build.
type writer struct {
	tar    *tar.Writer
	out    *redirect // where the tar goes, besides the hash
	packed io.Writer
	diffID hash.Hash
	seen   map[string]tar.Header // by clean path; folders keep mode and owner
	newest time.Time
	err    error // the first failure: later Adds must not hide it
}

func newWriter(out io.Writer) *writer {
	h := sha256.New()
	r := &redirect{w: out}
	return &writer{tar: tar.NewWriter(io.MultiWriter(h, r)), out: r, packed: out, diffID: h, seen: map[string]tar.Header{}}
}

// Add implements Sink.
func (w *writer) Add(hdr *tar.Header, content io.Reader) error {
	if w.err == nil {
		w.err = w.add(hdr, content)
	}
	return w.err
}

func (w *writer) add(hdr *tar.Header, content io.Reader) error {
	h, err := canonical(hdr)
	if err != nil {
		return err
	}
	if old, ok := w.seen[h.Name]; ok {
		if h.Typeflag == tar.TypeDir && old.Typeflag == tar.TypeDir && old.Mode == h.Mode && old.Uid == h.Uid && old.Gid == h.Gid {
			return nil
		}
		return fmt.Errorf("%s: added to the layer twice", h.Name)
	}
	if h.Typeflag == tar.TypeLink {
		if target, ok := w.seen[h.Linkname]; !ok || target.Typeflag != tar.TypeReg && target.Typeflag != tar.TypeLink {
			return fmt.Errorf("%s: hard link to %s, which is not a file added before it", h.Name, h.Linkname)
		}
	}
	if err := w.parents(h.Name); err != nil {
		return err
	}
	return w.write(h, content)
}

// parents adds the folders above name that nobody added.
func (w *writer) parents(name string) error {
	for i, r := range name {
		if r != '/' {
			continue
		}
		dir := name[:i]
		old, ok := w.seen[dir]
		if !ok {
			if err := w.write(tar.Header{Name: dir, Typeflag: tar.TypeDir, Mode: 0o755, ModTime: implicitTime}, nil); err != nil {
				return err
			}
		} else if old.Typeflag != tar.TypeDir {
			return fmt.Errorf("%s: %s is not a folder in this layer", name, dir)
		}
	}
	return nil
}

// implicitTime is that of folders nobody gave a time.
var implicitTime = time.Date(1985, 10, 26, 8, 15, 0, 0, time.UTC)

func (w *writer) write(h tar.Header, content io.Reader) error {
	w.seen[h.Name] = tar.Header{Typeflag: h.Typeflag, Mode: h.Mode, Uid: h.Uid, Gid: h.Gid}
	if h.ModTime.After(w.newest) {
		w.newest = h.ModTime
	}
	out := h
	if h.Typeflag == tar.TypeDir {
		out.Name += "/"
	}
	if err := w.tar.WriteHeader(&out); err != nil {
		return fmt.Errorf("%s: writing to the layer: %w", h.Name, err)
	}
	if h.Typeflag != tar.TypeReg || h.Size == 0 {
		return nil
	}
	if content == nil {
		return fmt.Errorf("%s: a file of %d bytes was added without content", h.Name, h.Size)
	}
	n, err := w.copy(content)
	if err != nil {
		return fmt.Errorf("%s: writing to the layer: %w", h.Name, err)
	}
	if n != h.Size {
		return fmt.Errorf("%s: %d bytes announced, %d read", h.Name, h.Size, n)
	}
	return nil
}

// copy writes the content of a file. What is deflated already goes into a
// gzip layer as it is; the tar stream is made for its hash alone then.
func (w *writer) copy(content io.Reader) (n int64, err error) {
	g, isGzip := w.packed.(*gzipMembers)
	d, isDeflated := content.(*Deflated)
	if !isGzip || !isDeflated || d.Size < spliceFrom {
		return io.Copy(w.tar, content)
	}
	w.out.w = nil
	defer func() { w.out.w = w.packed }()
	err = g.splice(d, func(r io.Reader) error {
		n, err = io.Copy(w.tar, r)
		return err
	})
	return n, err
}

// canonical returns the header with only what a layer may carry.
func canonical(in *tar.Header) (tar.Header, error) {
	name := strings.TrimSuffix(in.Name, "/")
	if !validPath(name) {
		return tar.Header{}, fmt.Errorf("%q: not a clean path inside a layer", in.Name)
	}
	h := tar.Header{
		Name:     name,
		Typeflag: in.Typeflag,
		Mode:     in.Mode & 0o7777,
		Uid:      in.Uid,
		Gid:      in.Gid,
		ModTime:  in.ModTime.Truncate(time.Second).UTC(),
	}
	if h.ModTime.Unix() < 0 {
		h.ModTime = time.Unix(0, 0).UTC()
	}
	switch in.Typeflag {
	case tar.TypeReg, 0:
		h.Typeflag = tar.TypeReg
		h.Size = in.Size
	case tar.TypeDir:
	case tar.TypeSymlink:
		if in.Linkname == "" {
			return tar.Header{}, fmt.Errorf("%s: symbolic link to nothing", name)
		}
		h.Linkname, h.Mode = in.Linkname, 0o777
	case tar.TypeLink:
		if !validPath(in.Linkname) {
			return tar.Header{}, fmt.Errorf("%s: hard link to %q, which is outside the layer", name, in.Linkname)
		}
		h.Linkname = in.Linkname
	default:
		return tar.Header{}, fmt.Errorf("%s: entries of type %q do not belong in a layer", name, in.Typeflag)
	}
	for k, v := range in.PAXRecords {
		if strings.HasPrefix(k, "SCHILY.xattr.") {
			if h.PAXRecords == nil {
				h.PAXRecords = map[string]string{}
			}
			h.PAXRecords[k] = v
		}
	}
	return h, nil
}

// validPath says whether p is clean, relative and inside the layer, and not
// an OCI whiteout, which would delete files of the layers below.
func validPath(p string) bool {
	return p != "" && p != "." && !path.IsAbs(p) && path.Clean(p) == p &&
		p != ".." && !strings.HasPrefix(p, "../") && !strings.ContainsRune(p, 0) &&
		!strings.HasPrefix(path.Base(p), Whiteout)
}

package source

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/address"
)

// Annotations that name the images of a layout (OCI image specification,
// "Annotations"; the second is containerd's).
const (
	refName        = "org.opencontainers.image.ref.name"
	containerdName = "io.containerd.image.name"
)

// maxManifest limits manifests, indexes and the layout's index.json in bytes.
const maxManifest = 8 << 20

// files are the files of a layout, by their slash-separated names.
type files interface {
	open(name string) (io.ReadCloser, int64, error)
	close() error
}

// folder is a layout as it is on the disk. Links do not lead out of it.
type folder struct{ root *os.Root }

func (f folder) open(name string) (io.ReadCloser, int64, error) {
	file, err := f.root.Open(name)
	if err != nil {
		return nil, 0, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no file", name)
	}
	if err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	return file, info.Size(), nil
}

func (f folder) close() error { return f.root.Close() }

// layout is an OCI image layout, version 1.0 (OCI image specification, "Image
// Layout").
type layout struct {
	files
	want Name
}

func openLayout(n Name) (*layout, error) {
	info, err := os.Stat(n.Path)
	if err != nil {
		return nil, err
	}
	l := &layout{want: n}
	if info.IsDir() {
		root, err := os.OpenRoot(n.Path)
		if err != nil {
			return nil, err
		}
		l.files = folder{root}
	} else if l.files, err = openTar(n.Path); err != nil {
		return nil, err
	}
	return l, nil
}

func (l *layout) root(context.Context) (v1.Descriptor, []string, error) {
	i, err := l.index()
	if err != nil {
		return v1.Descriptor{}, nil, err
	}
	return l.find(i.Manifests)
}

// find returns the image that was asked for, and the tags it has.
func (l *layout) find(ds []v1.Descriptor) (found v1.Descriptor, tags []string, err error) {
	names := map[v1.Hash][]string{}
	var digests []v1.Hash
	for _, d := range ds {
		if l.want.Digest != (v1.Hash{}) && d.Digest != l.want.Digest {
			continue
		}
		own := namesOf(d)
		if l.want.Image != "" && !slices.Contains(own, l.want.Image) {
			continue
		}
		if !slices.Contains(digests, d.Digest) {
			digests = append(digests, d.Digest)
			found = d
		}
		names[d.Digest] = append(names[d.Digest], own...)
	}
	switch len(digests) {
	case 1:
		if l.want.Image != "" {
			return found, tagsOf([]string{l.want.Image}), nil
		}
		return found, tagsOf(names[found.Digest]), nil
	case 0:
		return found, nil, fmt.Errorf("it has no such image; it has %s", offered(ds))
	}
	return found, nil, fmt.Errorf("it has several images; choose one as PATH:TAG: %s", offered(ds))
}

func namesOf(d v1.Descriptor) (names []string) {
	for _, key := range []string{refName, containerdName} {
		if n := d.Annotations[key]; n != "" && !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	return names
}

// tagsOf takes the tags out of TAG, NAME:TAG and HOST/NAME:TAG.
func tagsOf(names []string) (tags []string) {
	for _, n := range names {
		t := n[strings.LastIndexAny(n, ":/")+1:]
		if strings.Contains(n, "/") && !strings.Contains(n[strings.LastIndex(n, "/"):], ":") {
			continue // a name without a tag
		}
		if address.CheckTag(t) == nil && !slices.Contains(tags, t) {
			tags = append(tags, t)
		}
	}
	return tags
}

func offered(ds []v1.Descriptor) string {
	var out []string
	for _, d := range ds {
		s := "@" + d.Digest.String()
		if n := namesOf(d); len(n) > 0 {
			s = n[0]
		}
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	switch {
	case len(out) == 0:
		return "none"
	case len(out) > 20:
		out = append(out[:20], "…")
	}
	return strings.Join(out, ", ")
}

func (l *layout) manifest(_ context.Context, d v1.Descriptor) ([]byte, error) {
	raw, err := l.small(blobPath(d.Digest))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the layout lacks the manifest %s", d.Digest)
	}
	if err != nil {
		return nil, err
	}
	h, _, err := v1.SHA256(bytes.NewReader(raw))
	if err == nil && h != d.Digest {
		err = damaged(d.Digest)
	}
	return raw, err
}

func (l *layout) small(name string) ([]byte, error) {
	rc, size, err := l.files.open(name)
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	if size > maxManifest {
		return nil, fmt.Errorf("%s has %d bytes, which is more than belongs there", name, size)
	}
	return io.ReadAll(io.LimitReader(rc, maxManifest))
}

func (l *layout) open(_ context.Context, d v1.Descriptor) (io.ReadCloser, error) {
	rc, size, err := l.files.open(blobPath(d.Digest))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the layout lacks the blob %s", d.Digest)
	}
	if err != nil {
		return nil, err
	}
	if size != d.Size {
		rc.Close()
		return nil, damaged(d.Digest)
	}
	return &verified{rc: rc, sum: sha256.New(), want: d.Digest}, nil
}

func (l *layout) close() error { return l.files.close() }

func blobPath(h v1.Hash) string { return path.Join("blobs", h.Algorithm, h.Hex) }

func damaged(h v1.Hash) error {
	return fmt.Errorf("the layout is damaged: its file %s has other content; write it again", blobPath(h))
}

// verified ends with an error where the content has another digest.
type verified struct {
	rc   io.ReadCloser
	sum  hash.Hash
	want v1.Hash
}

func (v *verified) Read(p []byte) (int, error) {
	n, err := v.rc.Read(p)
	v.sum.Write(p[:n])
	if err == io.EOF && hex.EncodeToString(v.sum.Sum(nil)) != v.want.Hex {
		return n, damaged(v.want)
	}
	return n, err
}

func (v *verified) Close() error { return v.rc.Close() }

// Unverified is the content for those who give it to somebody that verifies it,
// in place of v and to be closed in its place.
func (v *verified) Unverified() io.ReadCloser { return v.rc }

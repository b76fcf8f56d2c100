package sbom

import (
	"archive/tar"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/stream"
)

// Whiteouts (OCI image-spec, layer.md, "Whiteouts").
const (
	whiteoutPrefix = ".wh."
	opaqueMarker   = ".wh..wh..opq"
)

// node is a path of the flattened file system.
type node struct {
	File
	kind  byte // a tar type flag; hard links are regular files
	layer int
	text  []byte   // content that was kept
	built *program // what a Go program was compiled from

	// open says that this is a hard link whose target has not been read yet;
	// links are the hard links to it, which wait too.
	open  bool
	links []*node
}

// flattener reads layers from the top down: what an upper layer has or hides
// is known when a lower one is read.
type flattener struct {
	tree
	layer int
	temp  *spool
	sums  [2]hash.Hash
	buf   []byte

	// whiteouts and opaques are of upper layers; staged of this one.
	whiteouts, opaques, stagedWhiteouts, stagedOpaques map[string]bool
	// own are this layer's files, hidden ones included: hard links name them.
	own map[string]*node
	// pending are hard links to files that no layer so far had, by target.
	pending map[string][]*node

	entries, paths, texts int
	sizes                 int64 // of all files, in bytes
	ctx                   context.Context
}

// flatten returns the file system that the layers make together.
func flatten(ctx context.Context, layers []v1.Layer, o options) (*tree, error) {
	f := &flattener{
		tree:      tree{nodes: map[string]*node{}, followed: map[string]place{}},
		temp:      &spool{open: o.temp},
		sums:      [2]hash.Hash{sha1.New(), sha256.New()},
		buf:       make([]byte, 256<<10),
		whiteouts: map[string]bool{}, opaques: map[string]bool{},
		pending: map[string][]*node{},
		ctx:     ctx,
	}
	defer f.temp.close()
	for i := len(layers) - 1; i >= 0; i-- {
		f.layer = i
		if err := f.read(layers[i]); err != nil {
			return nil, fmt.Errorf("layer %d: %w", i+1, err)
		}
	}
	if len(f.pending) > 0 {
		target := slices.Min(slices.Collect(maps.Keys(f.pending)))
		return nil, fmt.Errorf("%s is a hard link to %s, which no layer has", f.pending[target][0].Path, target)
	}
	f.canonical()
	return &f.tree, nil
}

func (f *flattener) read(l v1.Layer) (err error) {
	r, err := unpack(f.ctx, l)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	f.own = map[string]*node{}
	f.stagedWhiteouts, f.stagedOpaques = map[string]bool{}, map[string]bool{}
	counted := &counter{r: stream.Limit(r, maxUnpacked-f.unpacked, errTooLarge)}
	tr := tar.NewReader(counted)
	for {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if err := f.entry(h, tr); err != nil {
			return fmt.Errorf("%q: %w", h.Name, err)
		}
	}
	// To the very end, so that the blob's hash is compared.
	if _, err := io.CopyBuffer(io.Discard, struct{ io.Reader }{counted}, f.buf); err != nil {
		return err
	}
	f.unpacked += counted.n
	for p := range f.stagedWhiteouts {
		f.whiteouts[p] = true
	}
	for p := range f.stagedOpaques {
		f.opaques[p] = true
	}
	return nil
}

// entry takes one entry of the layer.
func (f *flattener) entry(h *tar.Header, content io.Reader) error {
	name := path.Clean("/" + h.Name)[1:]
	f.entries++
	f.paths += len(name) + len(h.Linkname)
	// The holes of a sparse file take no room in the layer.
	if f.sizes += h.Size; f.sizes > maxUnpacked || f.sizes < 0 {
		return errTooLarge
	}
	if f.entries > maxEntries || f.paths > maxPaths || len(name) > maxPath || len(h.Linkname) > maxPath || strings.Count(name, "/") >= maxDepth {
		return errTooLarge
	}
	if name == "" {
		return nil
	}
	dir, base := path.Split(name)
	switch {
	case base == opaqueMarker:
		f.stagedOpaques[path.Clean("/" + dir)[1:]] = true
		return nil
	case strings.HasPrefix(base, whiteoutPrefix):
		f.stagedWhiteouts[dir+base[len(whiteoutPrefix):]] = true
		return nil
	}
	n := &node{File: File{Path: name}, kind: h.Typeflag, layer: f.layer}
	visible := f.visible(n)
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse:
		n.kind = tar.TypeReg
		if err := f.content(n, content, visible); err != nil {
			return err
		}
	case tar.TypeLink:
		n.kind = tar.TypeReg
		f.link(n, path.Clean("/" + h.Linkname)[1:])
	case tar.TypeSymlink:
		n.Link = h.Linkname
		n.SHA1, n.SHA256 = sha1.Sum([]byte(h.Linkname)), sha256.Sum256([]byte(h.Linkname))
	case tar.TypeDir:
	default: // devices and pipes have no content
		n.SHA1, n.SHA256 = sha1.Sum(nil), sha256.Sum256(nil)
	}
	if n.kind == tar.TypeReg {
		f.own[name] = n
		f.settle(n)
	}
	if visible {
		f.nodes[name] = n
	}
	return nil
}

// link makes n another name of target's file. A layer has a link behind its
// target; where it does not have the target at all, a lower one has it.
func (f *flattener) link(n *node, target string) {
	if t := f.own[target]; t != nil {
		t.follow(n)
		return
	}
	n.open = true
	f.pending[target] = append(f.pending[target], n)
}

// settle tells the hard links of upper layers that wait for n.
func (f *flattener) settle(n *node) {
	var wait []*node
	for _, link := range f.pending[n.Path] {
		if link.layer > n.layer {
			n.follow(link)
		} else {
			wait = append(wait, link)
		}
	}
	if len(wait) > 0 {
		f.pending[n.Path] = wait
	} else {
		delete(f.pending, n.Path)
	}
}

// follow gives link the content of n, now or as soon as n itself has it.
func (n *node) follow(link *node) {
	if n.open {
		link.open = true
		n.links = append(n.links, link)
		return
	}
	link.open = false
	link.Size, link.SHA1, link.SHA256, link.text, link.built = n.Size, n.SHA1, n.SHA256, n.text, n.built
	for _, l := range link.links {
		link.follow(l)
	}
	link.links = nil
}

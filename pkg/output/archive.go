package output

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/imgbuild/imgbuild/pkg/progress"
	"github.com/imgbuild/imgbuild/pkg/stream"
)

// archiveEntry is one image in a docker archive's manifest.json (Docker image
// specification 1.2, "Combined Image JSON + Filesystem Changeset Format").
type archiveEntry struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// archive writes what `docker load` of all versions since 1.10 reads, and
// podman, buildah and skopeo as docker-archive. Gzip layers stay as they are,
// for all of them unpack those; zstd ones do not load before Docker 23, and are
// written unpacked.
func archive(ctx context.Context, s sink, images []Image) error {
	w := &archiveWriter{ctx: ctx, sink: s, seen: map[string]bool{}}
	entries := []archiveEntry{}
	for _, i := range images {
		e, err := w.image(i)
		if err != nil {
			return fmt.Errorf("%s: %w", i.Name, err)
		}
		entries = append(entries, e)
	}
	b, err := json.Marshal(entries)
	if err != nil {
		return err
	}
	return addBytes(s, "manifest.json", b)
}

type archiveWriter struct {
	ctx  context.Context
	sink sink
	seen map[string]bool // by file name
}

func (w *archiveWriter) image(i Image) (archiveEntry, error) {
	img, err := i.single()
	if err != nil {
		return archiveEntry{}, err
	}
	config, err := img.RawConfigFile()
	if err != nil {
		return archiveEntry{}, err
	}
	digest, err := img.ConfigName()
	if err != nil {
		return archiveEntry{}, err
	}
	e := archiveEntry{Config: digest.Hex + ".json"}
	for _, t := range i.Tags {
		e.RepoTags = append(e.RepoTags, i.Name+":"+t)
	}
	v := newVerifier(bytes.NewReader(config), digest)
	if err := w.add(e.Config, int64(len(config)), v); err != nil {
		return archiveEntry{}, err
	}
	layers, err := img.Layers()
	if err != nil {
		return archiveEntry{}, err
	}
	for _, l := range layers {
		name, err := w.layer(l)
		if err != nil {
			return archiveEntry{}, err
		}
		e.Layers = append(e.Layers, name)
	}
	return e, nil
}

func (w *archiveWriter) layer(l v1.Layer) (name string, err error) {
	mt, err := l.MediaType()
	if err != nil {
		return "", err
	}
	digest, open, suffix := l.Digest, l.Compressed, ".tar.gz"
	size := l.Size
	if mt == types.OCILayerZStd || mt == types.OCIUncompressedLayer || mt == types.DockerUncompressedLayer {
		digest, open, suffix = l.DiffID, l.Uncompressed, ".tar"
		size = func() (int64, error) { return length(w.ctx, l.Uncompressed) }
	}
	h, err := digest()
	if err != nil {
		return "", err
	}
	name = h.Hex + suffix
	if w.seen[name] {
		return name, nil
	}
	n, err := size()
	if err != nil {
		return "", err
	}
	rc, err := open()
	if err != nil {
		return "", err
	}
	defer rc.Close()
	step := progress.Start(w.ctx, "write layer "+h.Hex[:12], n)
	defer func() { step.Done(err) }()
	return name, w.add(name, n, newVerifier(&counted{rc, step}, h))
}

func (w *archiveWriter) add(name string, size int64, v *verifier) error {
	if w.seen[name] {
		return nil
	}
	w.seen[name] = true
	if err := w.sink.add(name, size, v); err != nil {
		return err
	}
	return v.check()
}

// length counts what a tar's header must know before the content: unpacking
// twice costs less than a copy on disk.
func length(ctx context.Context, open func() (io.ReadCloser, error)) (int64, error) {
	rc, err := open()
	if err != nil {
		return 0, err
	}
	defer rc.Close()
	return io.Copy(io.Discard, stream.Until(ctx, rc))
}

// single is the image, or the one of an index that this machine runs: docker
// archives hold one platform under a name.
func (i Image) single() (v1.Image, error) {
	if i.Image != nil {
		return i.Image, nil
	}
	m, err := i.Index.IndexManifest()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, d := range m.Manifests {
		if !d.MediaType.IsImage() {
			continue
		}
		if p := d.Platform; len(m.Manifests) == 1 || p != nil && p.OS == "linux" && p.Architecture == runtime.GOARCH {
			return i.Index.Image(d.Digest)
		}
		if d.Platform != nil {
			names = append(names, d.Platform.String())
		}
	}
	return nil, fmt.Errorf("it has %s and this machine is linux/%s; choose one with --platform", strings.Join(names, " and "), runtime.GOARCH)
}

package build

import (
	"encoding/json"
	"fmt"
	"path"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/moby/buildkit/client/llb"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/imgbuild/imgbuild/pkg/step"
)

// Layout is a folder with the images as an OCI layout (image-spec,
// image-layout.md), all of their bytes as every engine makes them: one image,
// or the index of several. tags name it there.
func Layout(images []Left, tags []string) (llb.State, error) {
	l := &leftLayout{
		// Not the time of the build: the same images are the same folder.
		at:   llb.WithCreatedTime(time.Unix(0, 0).UTC()),
		seen: map[v1.Hash]bool{},
	}
	l.files = llb.Mkdir(l.blobs(), 0o755, llb.WithParents(true), l.at)
	var all []v1.Image
	var platforms []string
	for _, i := range images {
		if err := l.image(i); err != nil {
			return llb.State{}, i.Request.explain(err)
		}
		all, platforms = append(all, i.Image), append(platforms, i.Request.Image.Platform)
	}
	root, err := l.root(all, platforms)
	if err != nil {
		return llb.State{}, err
	}
	index := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{}}
	for _, tag := range tags {
		named := *root
		named.Annotations = map[string]string{ocispecs.AnnotationRefName: tag}
		index.Manifests = append(index.Manifests, named)
	}
	b, err := json.Marshal(index)
	if err != nil {
		return llb.State{}, err
	}
	l.add("/"+ocispecs.ImageIndexFile, b)
	l.add("/"+ocispecs.ImageLayoutFile, []byte(`{"imageLayoutVersion":"`+ocispecs.ImageLayoutVersion+`"}`))
	return llb.Scratch().File(l.files, llb.WithCustomName("write an OCI layout")), nil
}

type leftLayout struct {
	at    llb.CreatedTime
	files *llb.FileAction
	seen  map[v1.Hash]bool
}

func (*leftLayout) blobs() string { return "/" + ocispecs.ImageBlobsDir + "/sha256" }

func (l *leftLayout) add(name string, content []byte) {
	l.files = l.files.Mkfile(name, 0o644, content, l.at)
}

// root adds the index of several images, and says what the layout is of.
func (l *leftLayout) root(images []v1.Image, platforms []string) (*v1.Descriptor, error) {
	if len(images) == 1 {
		d, err := plain{images[0]}.Descriptor()
		if err != nil {
			return nil, err
		}
		d.Platform, err = v1.ParsePlatform(platforms[0])
		return d, err
	}
	index, err := Index(images, platforms)
	if err != nil {
		return nil, err
	}
	raw, err := index.RawManifest()
	if err != nil {
		return nil, err
	}
	d, err := partial.Descriptor(index)
	if err != nil {
		return nil, err
	}
	l.add(path.Join(l.blobs(), d.Digest.Hex), raw)
	return d, nil
}

func (l *leftLayout) image(i Left) error {
	for _, layer := range i.Request.Definition.Variant(i.Request.Image.Variant).Layers {
		if layer.Image != nil {
			return fmt.Errorf("layer %s is of an existing image, which a builder gives away unpacked only; let it write an image instead", layer.Name)
		}
	}
	layers, err := i.Image.Layers()
	if err != nil {
		return err
	}
	for n, layer := range layers {
		h, err := layer.Digest()
		if err != nil {
			return err
		}
		if l.seen[h] {
			continue
		}
		l.seen[h] = true
		l.files = l.files.Copy(i.blobs[n], "/"+step.BlobPath(h), path.Join(l.blobs(), h.Hex), l.at)
	}
	for _, part := range []struct {
		raw  func() ([]byte, error)
		name func() (v1.Hash, error)
	}{{i.Image.RawConfigFile, i.Image.ConfigName}, {i.Image.RawManifest, i.Image.Digest}} {
		raw, err := part.raw()
		if err != nil {
			return err
		}
		h, err := part.name()
		if err != nil {
			return err
		}
		l.add(path.Join(l.blobs(), h.Hex), raw)
	}
	return nil
}

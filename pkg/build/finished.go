package build

import (
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// finished is an image of which nothing changes any more. What package mutate
// makes writes its whole configuration anew for each layer that it is asked
// for. With sixteen images and five registries that have them all, this was
// nearly a third of all work.
type finished struct {
	v1.Image
	layers       []v1.Layer
	config, root []byte
	name, digest v1.Hash
	manifest     *v1.Manifest
}

// Finish returns img as it is, read once and for all.
func Finish(img v1.Image) (_ v1.Image, err error) {
	f := &finished{Image: img}
	if f.layers, err = img.Layers(); err != nil {
		return nil, err
	}
	if f.config, err = img.RawConfigFile(); err != nil {
		return nil, err
	}
	if f.name, err = img.ConfigName(); err != nil {
		return nil, err
	}
	if f.manifest, err = img.Manifest(); err != nil {
		return nil, err
	}
	if f.root, err = img.RawManifest(); err != nil {
		return nil, err
	}
	f.digest, err = img.Digest()
	return f, err
}

func (f *finished) Layers() ([]v1.Layer, error)     { return f.layers, nil }
func (f *finished) RawConfigFile() ([]byte, error)  { return f.config, nil }
func (f *finished) ConfigName() (v1.Hash, error)    { return f.name, nil }
func (f *finished) Manifest() (*v1.Manifest, error) { return f.manifest, nil }
func (f *finished) RawManifest() ([]byte, error)    { return f.root, nil }
func (f *finished) Digest() (v1.Hash, error)        { return f.digest, nil }
func (f *finished) Size() (int64, error)            { return int64(len(f.root)), nil }

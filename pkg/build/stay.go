package build

import (
	"errors"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	gateway "github.com/moby/buildkit/frontend/gateway/client"

	"github.com/imgbuild/imgbuild/pkg/buildkit"
	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/step"
)

// madeLayer is a layer that stayed where it was made.
type madeLayer struct {
	job     *job
	builder *buildkit.Builder
	size    int64
	// try is the one that made it: described by another it is another step, which
	// the builder has not done.
	try int
}

// stay notes a layer that is left on its builder, made with that try.
func (s *building) stay(j *job, ref gateway.Reference, try int) error {
	r, err := readRecord(s.ctx, ref, step.LayerFile)
	if err != nil {
		return err
	}
	if err := j.check(r); err != nil {
		return err
	}
	j.parts = []part{{Layer: elsewhere{r}, name: j.layer.Name, newest: r.Newest}}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.made == nil {
		s.made = map[v1.Hash]madeLayer{}
	}
	s.made[r.Digest] = madeLayer{job: j, builder: s.builder, size: r.Size, try: try}
	return nil
}

// elsewhere is a layer whose blob is on a builder.
type elsewhere struct{ record layer.Record }

var errElsewhere = errors.New("the layer has stayed on the builder")

func (l elsewhere) Digest() (v1.Hash, error)             { return l.record.Digest, nil }
func (l elsewhere) DiffID() (v1.Hash, error)             { return l.record.DiffID, nil }
func (l elsewhere) Size() (int64, error)                 { return l.record.Size, nil }
func (l elsewhere) Compressed() (io.ReadCloser, error)   { return nil, errElsewhere }
func (l elsewhere) Uncompressed() (io.ReadCloser, error) { return nil, errElsewhere }
func (l elsewhere) MediaType() (types.MediaType, error) {
	return l.record.Compression.MediaType(), nil
}

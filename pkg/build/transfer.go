package build

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	gateway "github.com/moby/buildkit/frontend/gateway/client"

	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/progress"
	"github.com/imgbuild/imgbuild/pkg/step"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// receive takes the layer that a step has left from its builder into the store.
func receive(ctx context.Context, s *store.Store, ref gateway.Reference, c layer.Compression, title string) (*layer.Layer, error) {
	r, err := readRecord(ctx, ref, step.LayerFile)
	if err != nil {
		return nil, err
	}
	if r.Compression != c {
		return nil, fmt.Errorf("receiving %s: the builder packed it with %q, and was asked for %s", title, r.Compression, c)
	}
	work := progress.Start(ctx, "receive "+title, r.Size)
	l, err := layer.Receive(s, r, &remoteFile{ctx: ctx, ref: ref, path: step.BlobPath(r.Digest), size: r.Size, step: work})
	work.Done(err)
	if err != nil {
		return nil, fmt.Errorf("receiving %s: %w", title, err)
	}
	return l, nil
}

func readRecord(ctx context.Context, ref gateway.Reference, path string) (r layer.Record, err error) {
	b, err := ref.ReadFile(ctx, gateway.ReadRequest{Filename: path})
	if err != nil {
		return r, fmt.Errorf("reading what the builder made: %w", err)
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return r, fmt.Errorf("reading what the builder made: %w", err)
	}
	return r, nil
}

// piece is how many bytes of a file a builder is asked for at a time; its
// answers may have 16 MiB (containerd's defaults.DefaultMaxRecvMsgSize).
const piece = 8 << 20

// remoteFile is a file in the result of a build, read piece by piece.
type remoteFile struct {
	ctx      context.Context
	ref      gateway.Reference
	path     string
	size, at int64
	step     progress.Step
	buffered []byte
}

func (f *remoteFile) Read(p []byte) (int, error) {
	if len(f.buffered) == 0 {
		if f.at >= f.size {
			return 0, io.EOF
		}
		b, err := f.ref.ReadFile(f.ctx, gateway.ReadRequest{
			Filename: f.path,
			Range:    &gateway.FileRange{Offset: int(f.at), Length: int(min(piece, f.size-f.at))},
		})
		if err != nil {
			return 0, err
		}
		if len(b) == 0 {
			return 0, errors.New("the builder has fewer bytes than it stated")
		}
		f.buffered = b
		f.at += int64(len(b))
		f.step.Add(int64(len(b)))
	}
	n := copy(p, f.buffered)
	f.buffered = f.buffered[n:]
	return n, nil
}

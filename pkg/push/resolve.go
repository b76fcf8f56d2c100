package push

import (
	"context"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/address"
)

// Resolve returns the digest that a tag names, the zero Hash where there is no
// such tag or repository: one request. It is for tags beside images, whose
// content nobody asks for before.
func (p *Pusher) Resolve(ctx context.Context, at address.Repository, tag string) (v1.Hash, error) {
	if err := address.CheckTag(tag); err != nil {
		return v1.Hash{}, err
	}
	h, err := (&repository{host: p.host(at.Host), at: at}).resolve(ctx, tag)
	if err != nil {
		return v1.Hash{}, explain(at, err)
	}
	return h, nil
}

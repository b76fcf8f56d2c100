package image

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

func offlineError(ref name.Digest) error {
	return fmt.Errorf("%s is not in the store, and offline nothing is pulled: run once without --offline", ref)
}

// explain says what to do about a registry's answer.
func (p *puller) explain(ref name.Reference, err error) error {
	var t *transport.Error
	if errors.As(err, &t) {
		switch t.StatusCode {
		case http.StatusUnauthorized, http.StatusForbidden:
			return fmt.Errorf("pulling %s: the registry refuses: log in with `docker login %s`, as somebody who may pull it: %w",
				ref, ref.Context().RegistryStr(), err)
		case http.StatusNotFound:
			return fmt.Errorf("pulling %s: the registry does not have it (any more): %s: %w", ref, p.gone, err)
		}
	}
	return fmt.Errorf("pulling %s: %w", ref, err)
}

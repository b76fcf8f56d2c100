package verify

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/attach"
	"github.com/imgbuild/imgbuild/pkg/sign"
)

// errNone: there is no signature.
var errNone = errors.New("there is no signature")

// maxTried limits how many signatures of one image are tried.
const maxTried = 100

// signature is the key that has signed the manifest with that digest.
func (v *Verifier) signature(ctx context.Context, repo *attach.Repository, digest v1.Hash) (crypto.PublicKey, error) {
	found, err := repo.Find(ctx, digest, attach.Signature)
	if err != nil {
		return nil, err
	}
	wrong := &sign.WrongKeyError{Want: v.Keys}
	var other error // of a good signature of something else
	tried := 0
	for s, err := range found.Signatures(ctx) {
		if err != nil {
			return nil, err
		}
		if tried++; tried > maxTried {
			return nil, fmt.Errorf("it has more than %d signatures", maxTried)
		}
		key := v.signed(s.Payload, s.Signature)
		if key == nil {
			wrong.Add(s.Key)
			continue
		}
		err := sign.CheckPayload(s.Payload, digest)
		if err == nil {
			return key, nil
		}
		other = fmt.Errorf("%w; it belongs to another image and was put here", err)
	}
	switch {
	case other != nil:
		return nil, other
	case tried == 0:
		return nil, errNone
	case wrong.Altered():
		return nil, wrong
	}
	return nil, fmt.Errorf("%w; if you trust that key, give its public key with --key", wrong)
}

// signed is the key that made the signature, nil where none did.
func (v *Verifier) signed(payload, signature []byte) crypto.PublicKey {
	for _, key := range v.Keys {
		if sign.Verify(key, payload, signature) == nil {
			return key
		}
	}
	return nil
}

func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

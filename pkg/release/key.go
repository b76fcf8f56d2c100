package release

import (
	"context"
	"crypto"
	"crypto/sha256"
	"fmt"
	"sync"

	"github.com/imgbuild/imgbuild/pkg/sign"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// remembered is a key that signs the same thing once: a key in a key service
// gives another signature each time, costs, and may ask somebody.
type remembered struct {
	sign.Key
	store *store.Store
	name  string // fingerprint

	mu sync.Mutex // one signature at a time, as a key service may ask for
}

const signatureKind = "signature"

func remembering(s *store.Store, k sign.Key) sign.Key {
	return &remembered{Key: k, store: s, name: sign.Fingerprint(k.Public())}
}

// Sign implements sign.Key.
func (r *remembered) Sign(ctx context.Context, payload []byte) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := fmt.Sprintf("%s %x", r.name, sha256.Sum256(payload))
	var signature []byte
	if ok, err := r.store.Record(signatureKind, key, &signature); err == nil && ok && sign.Verify(r.Public(), payload, signature) == nil {
		return signature, nil
	}
	signature, err := r.Key.Sign(ctx, payload)
	if err != nil {
		return nil, err
	}
	return signature, r.store.PutRecord(signatureKind, key, signature)
}

// Public implements sign.Key.
func (r *remembered) Public() crypto.PublicKey { return r.Key.Public() }

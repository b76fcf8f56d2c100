package verify_test

import (
	"crypto"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/address"
	"github.com/imgbuild/imgbuild/pkg/sign"
	"github.com/imgbuild/imgbuild/pkg/verify"
)

// verifyWith verifies tag 1 of a repository, with an empty store.
func verifyWith(t *testing.T, repo address.Repository, keys ...string) (*verify.Result, error) {
	t.Helper()
	v := &verify.Verifier{Store: newStore(t)}
	for _, k := range keys {
		pub, err := sign.LoadPublic(k)
		if err != nil {
			t.Fatal(err)
		}
		v.Keys = append(v.Keys, pub)
	}
	return v.Image(t.Context(), address.Reference{Repository: repo, Tag: "1"}, "")
}

var _ crypto.PublicKey

package layer

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/store"
)

// Pack takes into the store a layer that somebody else made and did not pack:
// tar is compressed and otherwise stays as it is. The newest modification time
// in it is not known.
func Pack(s *store.Store, c Compression, tar io.Reader) (*Layer, error) {
	blob, err := s.Create()
	if err != nil {
		return nil, err
	}
	defer blob.Discard()
	packed, err := c.writer(blob)
	if err != nil {
		return nil, err
	}
	diffID := sha256.New()
	_, err = io.Copy(io.MultiWriter(packed, diffID), tar)
	if err = errors.Join(err, packed.Close()); err != nil {
		return nil, fmt.Errorf("packing a layer: %w", err)
	}
	digest, err := blob.Commit(v1.Hash{})
	if err != nil {
		return nil, err
	}
	size, _ := s.Has(digest)
	return &Layer{store: s, record: Record{
		Digest: digest, DiffID: v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(diffID.Sum(nil))}, Size: size, Compression: c,
	}}, nil
}

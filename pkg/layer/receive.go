package layer

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/store"
)

// Receive takes into the store the blob of a layer that somebody else made, and
// says it is as r. Nothing of r is believed: size, digest, diffID and newest
// modification time are compared, for which the blob is unpacked as it comes.
// Where something differs the error is store.ErrCorrupt, or that of unpacking,
// and nothing is left in the store.
func Receive(s *store.Store, r Record, blob io.Reader) (*Layer, error) {
	if err := r.complete(); err != nil {
		return nil, err
	}
	w, err := s.Create()
	if err != nil {
		return nil, err
	}
	defer w.Discard()
	pr, pw := io.Pipe()
	type looked struct {
		at  contents
		err error
	}
	unpacked := make(chan looked, 1)
	go func() {
		c, err := look(r.Compression, pr)
		pr.CloseWithError(err)
		unpacked <- looked{c, err}
	}()
	from := &reading{r: blob}
	n, err := io.Copy(io.MultiWriter(w, pw), io.LimitReader(from, r.Size+1))
	pw.CloseWithError(err)
	got := <-unpacked
	switch {
	case from.err != nil:
		return nil, from.err
	case got.err != nil && (err == nil || errors.Is(err, got.err)):
		return nil, fmt.Errorf("the layer %s cannot be unpacked: %w", r.Digest, got.err)
	case err != nil:
		return nil, err
	case n != r.Size:
		return nil, fmt.Errorf("the layer %s has not the %d bytes that were stated: %w", r.Digest, r.Size, store.ErrCorrupt)
	case got.at.diffID != r.DiffID:
		return nil, fmt.Errorf("the layer %s has the diffID %s, not %s as stated: %w", r.Digest, got.at.diffID, r.DiffID, store.ErrCorrupt)
	case !got.at.newest.Equal(r.Newest):
		return nil, fmt.Errorf("the newest file of the layer %s is of %s, not %s as stated: %w",
			r.Digest, got.at.newest.Format(time.RFC3339), r.Newest.Format(time.RFC3339), store.ErrCorrupt)
	}
	if _, err := w.Commit(r.Digest); err != nil {
		return nil, err
	}
	return &Layer{store: s, record: r}, nil
}

// reading remembers why its reader failed.
type reading struct {
	r   io.Reader
	err error
}

func (r *reading) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if err != io.EOF {
		r.err = err
	}
	return n, err
}

// complete says whether the record names everything that is to be compared.
func (r Record) complete() error {
	switch {
	case r.Digest.Algorithm != "sha256" || r.DiffID.Algorithm != "sha256":
		return fmt.Errorf("a layer is stated without the SHA-256 of its blob and of its content: %w", store.ErrCorrupt)
	case r.Size < 0:
		return fmt.Errorf("the layer %s is stated to have %d bytes: %w", r.Digest, r.Size, store.ErrCorrupt)
	case r.Compression != Gzip && r.Compression != Zstd:
		return fmt.Errorf("the layer %s is stated to be packed as %q, which is neither gzip nor zstd: %w", r.Digest, r.Compression, store.ErrCorrupt)
	}
	return nil
}

// contents is what the unpacked side of a layer says of it.
type contents struct {
	diffID v1.Hash
	newest time.Time
}

// look reads all of a packed stream.
func look(c Compression, packed io.Reader) (contents, error) {
	r, err := c.reader(packed)
	if err != nil {
		return contents{}, err
	}
	defer r.Close()
	h := sha256.New()
	stream := io.TeeReader(r, h)
	var out contents
	for entries := tar.NewReader(stream); ; {
		entry, err := entries.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return contents{}, err
		}
		if entry.ModTime.After(out.newest) {
			out.newest = entry.ModTime
		}
	}
	// The hash is of all that is there, after the end of the archive, too.
	if _, err := io.Copy(io.Discard, stream); err != nil {
		return contents{}, err
	}
	out.diffID = v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(h.Sum(nil))}
	_, err = io.Copy(io.Discard, packed)
	return out, err
}

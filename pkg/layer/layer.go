// Package layer turns files into layers: deterministic tar streams, compressed
// and written straight to the store, so that no layer is ever in memory.
package layer

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/imgbuild/imgbuild/pkg/store"
)

// Sink takes the entries of one layer, one after the other.
//
// What makes a layer deterministic is done behind the Sink, once for all kinds
// of input: header format, names cleaned ("usr/bin/x", no leading slash, no
// trailing one but for folders in the tar), user and group names dropped,
// access and change times dropped, sub-second times cut, parent folders that
// were never added made as 0755 root. Order is the caller's: entries come out
// in the order they were added.
type Sink interface {
	// Add writes one entry. For a regular file hdr.Size bytes are read from
	// content; it is nil for everything else. A path added before is an error,
	// except that a folder may be added again when its mode and owner are the
	// same. Hard links (hdr.Linkname, relative to the layer's root) must name
	// a file that was added before. hdr is not kept.
	Add(hdr *tar.Header, content io.Reader) error
}

// Record is what the store remembers of a layer: enough to find it again
// without reading it.
type Record struct {
	Digest      v1.Hash     `json:"digest"`
	DiffID      v1.Hash     `json:"diffID"`
	Size        int64       `json:"size"` // of the blob, in bytes
	Compression Compression `json:"compression"`
	// Newest is the newest modification time among the layer's entries.
	Newest time.Time `json:"newest"`
}

// recordKind is the store's kind of record for layers.
const recordKind = "layer"

// Layer is a layer whose blob lies in the store. It is a v1.Layer.
type Layer struct {
	store  *store.Store
	record Record
}

// Find returns the layer remembered under key, and false where there is none
// or its blob is gone or has another size.
func Find(s *store.Store, key string) (*Layer, bool) {
	var r Record
	if ok, err := s.Record(recordKind, key, &r); !ok || err != nil {
		return nil, false
	}
	if size, ok := s.Has(r.Digest); !ok || size != r.Size {
		return nil, false
	}
	return &Layer{store: s, record: r}, true
}

// Remember lets Find return the layer by key. The caller's key must name
// everything that the layer was made from.
func (l *Layer) Remember(key string) error {
	return l.store.PutRecord(recordKind, key, l.record)
}

// Record returns what is remembered of the layer.
func (l *Layer) Record() Record { return l.record }

// Digest implements v1.Layer.
func (l *Layer) Digest() (v1.Hash, error) { return l.record.Digest, nil }

// DiffID implements v1.Layer.
func (l *Layer) DiffID() (v1.Hash, error) { return l.record.DiffID, nil }

// Size implements v1.Layer: the size of the blob in bytes.
func (l *Layer) Size() (int64, error) { return l.record.Size, nil }

// MediaType implements v1.Layer.
func (l *Layer) MediaType() (types.MediaType, error) { return l.record.Compression.MediaType(), nil }

// Compressed implements v1.Layer. The blob is verified as it is read: where
// the store's copy is damaged the end of it is store.ErrCorrupt, not io.EOF.
func (l *Layer) Compressed() (io.ReadCloser, error) { return l.store.Stream(l.record.Digest) }

// Uncompressed implements v1.Layer.
func (l *Layer) Uncompressed() (io.ReadCloser, error) {
	blob, err := l.Compressed()
	if err != nil {
		return nil, err
	}
	r, err := l.record.Compression.reader(blob)
	if err != nil {
		blob.Close()
		return nil, fmt.Errorf("layer %s: %w", l.record.Digest, err)
	}
	return &unpacking{ReadCloser: r, blob: blob}, nil
}

// unpacking closes both the decompressor and the blob, and reads the blob to
// its very end, so that a hash that differs is seen: also where the damage made
// the decompressor stop before.
type unpacking struct {
	io.ReadCloser
	blob io.ReadCloser
}

func (u *unpacking) Read(p []byte) (int, error) {
	n, err := u.ReadCloser.Read(p)
	if err != nil {
		if _, rest := io.Copy(io.Discard, u.blob); rest != nil {
			return n, rest
		}
	}
	return n, err
}

func (u *unpacking) Close() error { return errors.Join(u.ReadCloser.Close(), u.blob.Close()) }

package store

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

type hashWriter struct{ sum hash.Hash }

func newHashWriter() hashWriter { return hashWriter{sum: sha256.New()} }

func (h hashWriter) Write(p []byte) (int, error) { return h.sum.Write(p) }

func (h hashWriter) Hash() v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(h.sum.Sum(nil))}
}

// valid says whether h can be an address: hashes come out of files that people
// edit, and one with a slash in it must not name a file outside the store.
func valid(h v1.Hash) bool {
	if h.Algorithm != "sha256" || len(h.Hex) != 2*sha256.Size {
		return false
	}
	for _, c := range h.Hex {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// verifyingReader hashes what it gives out and turns the end into an error
// where the hash is not the expected one.
type verifyingReader struct {
	f       *os.File
	want    v1.Hash
	h       hashWriter
	corrupt func()
}

func newVerifyingReader(f *os.File, want v1.Hash, corrupt func()) *verifyingReader {
	return &verifyingReader{f: f, want: want, h: newHashWriter(), corrupt: corrupt}
}

func (r *verifyingReader) Read(p []byte) (int, error) {
	n, err := r.f.Read(p)
	r.h.Write(p[:n])
	if err == io.EOF && r.h.Hash() != r.want {
		r.corrupt()
		return n, fmt.Errorf("%s in the store: %w", r.want, ErrCorrupt)
	}
	return n, err
}

func (r *verifyingReader) Close() error { return r.f.Close() }

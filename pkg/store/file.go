package store

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

type hashWriter struct{ sum hash.Hash }

func newHashWriter() hashWriter { return hashWriter{sum: sha256.New()} }

func (h hashWriter) Write(p []byte) (int, error) { return h.sum.Write(p) }

func (h hashWriter) Hash() v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(h.sum.Sum(nil))}
}

// publish syncs f, gives it its mode and renames it to path.
func publish(f *os.File, path string, mode os.FileMode) error {
	if err := errors.Join(f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		os.Remove(f.Name())
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		os.Remove(f.Name())
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
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

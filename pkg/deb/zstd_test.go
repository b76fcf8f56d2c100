package deb_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// packZeros compresses head and n zero bytes.
func packZeros(t *testing.T, head []byte, n int64) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(w, io.MultiReader(bytes.NewReader(head), &zeros{n})); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

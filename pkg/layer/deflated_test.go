package layer

import (
	"archive/tar"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
)

// packed returns n bytes of content and the same deflated.
func packed(t *testing.T, n int) (content, raw []byte) {
	t.Helper()
	r := rand.New(rand.NewPCG(3, 4))
	content = make([]byte, n)
	for i := range content {
		content[i] = "abcdefgh"[r.IntN(8)]
	}
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, 6)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(content)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return content, b.Bytes()
}

// What is deflated already is in the blob byte for byte, and the layer is the
// same as one whose files came inflated, for every reader of gzip.
func TestDeflatedContentIsKept(t *testing.T) {
	big, bigRaw := packed(t, 3*spliceFrom)
	small, smallRaw := packed(t, spliceFrom-1)
	fill := func(deflated bool) func(Sink) error {
		return func(w Sink) error {
			for _, f := range []struct {
				name         string
				content, raw []byte
			}{{"a", []byte("first"), nil}, {"b", big, bigRaw}, {"c", big, bigRaw}, {"d", small, smallRaw}, {"e", nil, nil}} {
				var r io.Reader = bytes.NewReader(f.content)
				if deflated && f.raw != nil {
					r = NewDeflated(bytes.NewReader(f.raw), int64(len(f.content)), crc32.ChecksumIEEE(f.content))
				}
				if err := w.Add(&tar.Header{Name: f.name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(f.content))}, r); err != nil {
					return err
				}
			}
			return nil
		}
	}
	s := newStore(t)
	plain, err := Build(s, Gzip, fill(false))
	if err != nil {
		t.Fatal(err)
	}
	zstd, err := Build(s, Zstd, fill(true))
	if err != nil {
		t.Fatal(err)
	}
	const digest = "sha256:d6ba1852122da6c705c4fcbd675a4c79d1bb19a8d67315bfacbf09761cae72da"
	for _, procs := range []int{1, 2, 16} {
		old := runtime.GOMAXPROCS(procs)
		l, err := Build(s, Gzip, fill(true))
		runtime.GOMAXPROCS(old)
		if err != nil {
			t.Fatal(err)
		}
		if l.record.DiffID != plain.record.DiffID || zstd.record.DiffID != plain.record.DiffID {
			t.Errorf("diffIDs differ: %s %s %s", plain.record.DiffID, l.record.DiffID, zstd.record.DiffID)
		}
		if got := l.record.Digest.String(); got != digest {
			t.Errorf("with %d cores: digest %s, want %s", procs, got, digest)
		}
		c, err := l.Compressed()
		if err != nil {
			t.Fatal(err)
		}
		blob, err := io.ReadAll(c)
		c.Close()
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(blob, bigRaw); n != 2 {
			t.Errorf("the large file's stream is in the blob %d times, want 2", n)
		}
		if bytes.Contains(blob, smallRaw) {
			t.Error("the small file has a member of its own")
		}
		z, err := gzip.NewReader(bytes.NewReader(blob))
		if err != nil {
			t.Fatal(err)
		}
		u, err := l.Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		theirs, err1 := io.ReadAll(z)
		ours, err2 := io.ReadAll(u)
		if err1 != nil || err2 != nil || !bytes.Equal(theirs, ours) {
			t.Errorf("the standard library's gzip reads %d bytes (%v), ours %d (%v)", len(theirs), err1, len(ours), err2)
		}
		u.Close()
	}
}

func TestDeflatedContentIsVerified(t *testing.T) {
	content, raw := packed(t, 2*spliceFrom)
	crc, size := crc32.ChecksumIEEE(content), int64(len(content))
	flipped := bytes.Clone(raw)
	flipped[len(raw)/2] ^= 1
	for name, tc := range map[string]struct {
		raw  []byte
		size int64
		crc  uint32
		fail string
	}{
		"as announced":   {raw, size, crc, ""},
		"checksum":       {raw, size, crc + 1, "checksum"},
		"a flipped bit":  {flipped, size, crc, "inflating"},
		"cut off":        {raw[:len(raw)-9], size, crc, "unexpected EOF"},
		"too long":       {raw, size - 1, crc, "more than"},
		"too short":      {raw, size + 1, crc, "announced"},
		"something more": {append(bytes.Clone(raw), 0), size, crc, "data after the end"},
		"much more":      {append(bytes.Clone(raw), make([]byte, 1<<20)...), size, crc, "data after the end"},
		"nothing":        {nil, size, crc, "unexpected EOF"},
	} {
		for _, c := range []Compression{Gzip, Zstd} {
			_, err := Build(newStore(t), c, func(w Sink) error {
				return w.Add(&tar.Header{Name: "x", Typeflag: tar.TypeReg, Size: tc.size}, NewDeflated(bytes.NewReader(tc.raw), tc.size, tc.crc))
			})
			if (err == nil) != (tc.fail == "") || err != nil && !strings.Contains(err.Error(), tc.fail) {
				t.Errorf("%s, %s: %v, want %q", name, c, err, tc.fail)
			}
		}
	}
}

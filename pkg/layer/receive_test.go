package layer

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/store"
)

// madeElsewhere is a layer, and its blob, that this store has not.
func madeElsewhere(t *testing.T, c Compression) (Record, []byte) {
	t.Helper()
	l, err := Build(newStore(t), c, sample)
	if err != nil {
		t.Fatal(err)
	}
	r, err := l.Compressed()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return l.Record(), b
}

func TestReceive(t *testing.T) {
	for _, c := range []Compression{Gzip, Zstd} {
		r, blob := madeElsewhere(t, c)
		s := newStore(t)
		// In pieces as small as a slow line gives them.
		got, err := Receive(s, r, iotest.HalfReader(bytes.NewReader(blob)))
		if err != nil {
			t.Fatal(err)
		}
		if got.Record() != r {
			t.Errorf("%s: got %+v, want %+v", c, got.Record(), r)
		}
		kept, err := os.ReadFile(s.Path(r.Digest))
		if err != nil || !bytes.Equal(kept, blob) {
			t.Errorf("%s: the store has other bytes: %v", c, err)
		}
		// Once more is no error.
		if _, err := Receive(s, r, bytes.NewReader(blob)); err != nil {
			t.Error(err)
		}
	}
}

// hashed is the record with the digest and size that the blob has.
func hashed(r Record, blob []byte) Record {
	sum := sha256.Sum256(blob)
	r.Digest, r.Size = v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}, int64(len(blob))
	return r
}

func flipped(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 0x55
	return b
}

var errCut = errors.New("the line was cut")

func TestReceiveRefuses(t *testing.T) {
	other := v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("7", 64)}
	for _, c := range []Compression{Gzip, Zstd} {
		right, blob := madeElsewhere(t, c)
		changed := func(change func(*Record)) Record {
			r := right
			change(&r)
			return r
		}
		for name, c := range map[string]struct {
			record Record
			blob   io.Reader
			is     error  // nil for any
			says   string // part of the error
		}{
			"another digest":   {changed(func(r *Record) { r.Digest = other }), bytes.NewReader(blob), store.ErrCorrupt, ""},
			"another diffID":   {changed(func(r *Record) { r.DiffID = other }), bytes.NewReader(blob), store.ErrCorrupt, "has the diffID"},
			"a later date":     {changed(func(r *Record) { r.Newest = r.Newest.Add(time.Hour) }), bytes.NewReader(blob), store.ErrCorrupt, "newest file"},
			"no date":          {changed(func(r *Record) { r.Newest = time.Time{} }), bytes.NewReader(blob), store.ErrCorrupt, "newest file"},
			"a smaller size":   {changed(func(r *Record) { r.Size-- }), bytes.NewReader(blob), store.ErrCorrupt, "bytes that were stated"},
			"a larger size":    {changed(func(r *Record) { r.Size++ }), bytes.NewReader(blob), store.ErrCorrupt, "bytes that were stated"},
			"a negative size":  {changed(func(r *Record) { r.Size = -1 }), bytes.NewReader(blob), store.ErrCorrupt, "-1 bytes"},
			"no digest":        {changed(func(r *Record) { r.Digest = v1.Hash{} }), bytes.NewReader(blob), store.ErrCorrupt, "without the SHA-256"},
			"no diffID":        {changed(func(r *Record) { r.DiffID = v1.Hash{} }), bytes.NewReader(blob), store.ErrCorrupt, "without the SHA-256"},
			"no compression":   {changed(func(r *Record) { r.Compression = "" }), bytes.NewReader(blob), store.ErrCorrupt, "neither gzip nor zstd"},
			"nothing":          {right, bytes.NewReader(nil), nil, ""},
			"half":             {right, bytes.NewReader(blob[:len(blob)/2]), nil, ""},
			"half, as stated":  {hashed(right, blob[:len(blob)/2]), bytes.NewReader(blob[:len(blob)/2]), nil, "cannot be unpacked"},
			"damaged":          {hashed(right, flipped(blob, len(blob)/2)), bytes.NewReader(flipped(blob, len(blob)/2)), nil, ""},
			"a damaged start":  {hashed(right, flipped(blob, 0)), bytes.NewReader(flipped(blob, 0)), nil, "cannot be unpacked"},
			"a damaged end":    {hashed(right, flipped(blob, len(blob)-1)), bytes.NewReader(flipped(blob, len(blob)-1)), nil, ""},
			"more at the end":  {hashed(right, append(bytes.Clone(blob), "more"...)), bytes.NewReader(append(bytes.Clone(blob), "more"...)), nil, "cannot be unpacked"},
			"twice":            {hashed(right, append(bytes.Clone(blob), blob...)), bytes.NewReader(append(bytes.Clone(blob), blob...)), store.ErrCorrupt, "has the diffID"},
			"a line that cuts": {right, io.MultiReader(bytes.NewReader(blob[:len(blob)/3]), iotest.ErrReader(errCut)), errCut, ""},
		} {
			t.Run(string(right.Compression)+" "+name, func(t *testing.T) {
				s := newStore(t)
				before := runtime.NumGoroutine()
				_, err := Receive(s, c.record, c.blob)
				switch {
				case err == nil:
					t.Fatal("it was taken")
				case c.is != nil && !errors.Is(err, c.is), !strings.Contains(err.Error(), c.says):
					t.Errorf("got %v", err)
				}
				nothingLeft(t, s)
				noMoreThan(t, before)
			})
		}
	}
}

// An archive that is none is refused though all hashes are right.
func TestReceiveRefusesWhatIsNoArchive(t *testing.T) {
	text := bytes.Repeat([]byte("not a tar archive "), 100)
	var packed bytes.Buffer
	w, err := Gzip.writer(&packed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(text)
	r := hashed(Record{Compression: Gzip, DiffID: v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}}, packed.Bytes())
	s := newStore(t)
	if _, err := Receive(s, r, &packed); !errors.Is(err, tar.ErrHeader) {
		t.Errorf("got %v", err)
	}
	nothingLeft(t, s)
}

// A layer of 64 MiB, most of it zeros, takes no more memory than a small one.
func TestReceiveHoldsNothingInMemory(t *testing.T) {
	const size = 64 << 20
	l, err := Build(newStore(t), Gzip, func(w Sink) error {
		return w.Add(&tar.Header{Name: "zeros", Typeflag: tar.TypeReg, Size: size}, io.LimitReader(zeros{}, size))
	})
	if err != nil {
		t.Fatal(err)
	}
	blob, err := l.Compressed()
	if err != nil {
		t.Fatal(err)
	}
	defer blob.Close()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := Receive(newStore(t), l.Record(), blob); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > size/4 {
		t.Errorf("%d MiB were allocated", got>>20)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// nothingLeft says what of a refused blob is still in the store.
func nothingLeft(t *testing.T, s *store.Store) {
	t.Helper()
	err := filepath.WalkDir(s.Root(), func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if fi, err := d.Info(); err == nil && fi.Size() > 4096 {
			t.Errorf("%s is left, of %d bytes", p, fi.Size())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// noMoreThan waits for goroutines to end.
func noMoreThan(t *testing.T, want int) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		got := runtime.NumGoroutine()
		if got <= want {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d goroutines, before %d", got, want)
		}
	}
}

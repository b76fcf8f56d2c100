package layer

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/imgbuild/imgbuild/pkg/store"
)

func newStore(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// sample fills a layer with every type of entry and a few megabytes that
// compress neither well nor badly.
func sample(w Sink) error {
	when := time.Date(2026, 3, 1, 12, 0, 0, 999, time.FixedZone("x", 3600))
	r := rand.New(rand.NewPCG(1, 2))
	big := make([]byte, 5<<20)
	for i := range big {
		big[i] = byte(r.IntN(16))
	}
	return errors.Join(
		w.Add(&tar.Header{Name: "etc/", Typeflag: tar.TypeDir, Mode: 0o755, ModTime: when, Uname: "root", AccessTime: when}, nil),
		w.Add(&tar.Header{Name: "etc/os-release", Typeflag: tar.TypeReg, Mode: 0o644, Size: 5, ModTime: when}, strings.NewReader("hello")),
		w.Add(&tar.Header{Name: "usr/bin/big", Typeflag: tar.TypeReg, Mode: 0o4755, Size: int64(len(big)), ModTime: when.Add(time.Hour)}, bytes.NewReader(big)),
		w.Add(&tar.Header{Name: "usr/bin/same", Typeflag: tar.TypeLink, Linkname: "usr/bin/big", Mode: 0o755, ModTime: when}, nil),
		w.Add(&tar.Header{Name: "bin", Typeflag: tar.TypeSymlink, Linkname: "usr/bin", ModTime: when}, nil),
		w.Add(&tar.Header{Name: strings.Repeat("long/", 60) + "name", Typeflag: tar.TypeReg, Mode: 0o600, Uid: 3_000_000, ModTime: when}, nil),
	)
}

// The digests pin the bytes that the tar writer and the compressors make. A
// change of them changes every image: bump Compression.ID with it and update
// the locks.
func TestBytesArePinned(t *testing.T) {
	const diffID = "sha256:3b0c790ac4714144392c3cb4b0b7ffe05b906c8c5f598091218bc619a7b2652b"
	for c, digest := range map[Compression]string{
		Gzip: "sha256:282e4259b05bf36c4bb65a4b2d4eae5b4737ee35bb058e97d40f0eabae3d49b6",
		Zstd: "sha256:1ff06221ee716b7905d0b09f02d03e1a5c27393f9080ec085651b9f8323ea917",
	} {
		for _, procs := range []int{1, 2, 16} {
			old := runtime.GOMAXPROCS(procs)
			l, err := Build(newStore(t), c, sample)
			runtime.GOMAXPROCS(old)
			if err != nil {
				t.Fatal(err)
			}
			r := l.Record()
			if r.DiffID.String() != diffID || r.Digest.String() != digest {
				t.Errorf("%s with %d cores: diffID %s digest %s, want %s %s", c, procs, r.DiffID, r.Digest, diffID, digest)
			}
			if want := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC); !r.Newest.Equal(want) {
				t.Errorf("newest entry %s, want %s", r.Newest, want)
			}
		}
	}
}

func TestLayerIsValid(t *testing.T) {
	for _, c := range []Compression{Gzip, Zstd} {
		l, err := Build(newStore(t), c, sample)
		if err != nil {
			t.Fatal(err)
		}
		if c == Gzip { // the library's validator reads gzip only
			if err := validate.Layer(l); err != nil {
				t.Error(err)
			}
		}
		u, err := l.Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := v1.SHA256(u)
		if err := errors.Join(err, u.Close()); err != nil {
			t.Fatal(err)
		}
		if got != l.record.DiffID {
			t.Errorf("%s: unpacked %s, diffID %s", c, got, l.record.DiffID)
		}
	}
}

func TestEntries(t *testing.T) {
	file := func(name string) *tar.Header { return &tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644} }
	dir := func(name string, mode int64) *tar.Header {
		return &tar.Header{Name: name, Typeflag: tar.TypeDir, Mode: mode}
	}
	link := func(typ byte, name, to string) *tar.Header {
		return &tar.Header{Name: name, Typeflag: typ, Linkname: to}
	}
	for name, tc := range map[string]struct {
		entries []*tar.Header
		fail    string
	}{
		"parents are made":          {entries: []*tar.Header{file("a/b/c")}},
		"folder twice":              {entries: []*tar.Header{dir("a/", 0o755), dir("a", 0o755)}},
		"folder with another mode":  {entries: []*tar.Header{dir("a", 0o755), dir("a", 0o700)}, fail: "twice"},
		"file twice":                {entries: []*tar.Header{file("a"), file("a")}, fail: "twice"},
		"absolute":                  {entries: []*tar.Header{file("/etc/passwd")}, fail: "not a clean path"},
		"dot dot":                   {entries: []*tar.Header{file("a/../../b")}, fail: "not a clean path"},
		"only dot dot":              {entries: []*tar.Header{file("..")}, fail: "not a clean path"},
		"dot":                       {entries: []*tar.Header{dir("./", 0o755)}, fail: "not a clean path"},
		"NUL":                       {entries: []*tar.Header{file("a\x00b")}, fail: "not a clean path"},
		"whiteout":                  {entries: []*tar.Header{file("etc/.wh.passwd")}, fail: "not a clean path"},
		"device":                    {entries: []*tar.Header{{Name: "dev/sda", Typeflag: tar.TypeBlock}}, fail: "do not belong"},
		"fifo":                      {entries: []*tar.Header{{Name: "p", Typeflag: tar.TypeFifo}}, fail: "do not belong"},
		"link to nothing":           {entries: []*tar.Header{link(tar.TypeSymlink, "a", "")}, fail: "to nothing"},
		"hard link before its file": {entries: []*tar.Header{link(tar.TypeLink, "a", "b"), file("b")}, fail: "not a file added before"},
		"hard link to outside":      {entries: []*tar.Header{link(tar.TypeLink, "a", "../b")}, fail: "outside the layer"},
		"hard link to folder":       {entries: []*tar.Header{dir("b", 0o755), link(tar.TypeLink, "a", "b")}, fail: "not a file added before"},
		"below a link":              {entries: []*tar.Header{link(tar.TypeSymlink, "bin", "usr/bin"), file("bin/sh")}, fail: "not a folder"},
		"below a file":              {entries: []*tar.Header{file("a"), file("a/b")}, fail: "not a folder"},
		"no content":                {entries: []*tar.Header{{Name: "a", Typeflag: tar.TypeReg, Size: 3}}, fail: "without content"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			_, err := Build(s, Gzip, func(w Sink) error {
				for _, h := range tc.entries {
					w.Add(h, nil) // Build itself must see the error
				}
				return nil
			})
			switch {
			case tc.fail == "" && err != nil:
				t.Error(err)
			case tc.fail != "" && (err == nil || !strings.Contains(err.Error(), tc.fail)):
				t.Errorf("got %v, want an error about %q", err, tc.fail)
			}
			if tc.fail != "" {
				for _, d := range []string{"blobs/sha256", "tmp"} {
					if left, _ := os.ReadDir(s.Root() + "/" + d); len(left) > 0 {
						t.Errorf("left behind in %s: %v", d, left)
					}
				}
			}
		})
	}
}

func TestShortAndLongContent(t *testing.T) {
	for content, want := range map[string]string{"ab": "2 read", "abcd": "too long"} {
		_, err := Build(newStore(t), Gzip, func(w Sink) error {
			return w.Add(&tar.Header{Name: "a", Typeflag: tar.TypeReg, Size: 3}, strings.NewReader(content))
		})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q for 3 bytes: %v, want %q", content, err, want)
		}
	}
}

func TestFindSurvivesNothingDamaged(t *testing.T) {
	s := newStore(t)
	l, err := Build(s, Gzip, sample)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Remember("k"); err != nil {
		t.Fatal(err)
	}
	found, ok := Find(s, "k")
	if !ok || found.Record() != l.Record() {
		t.Fatalf("found %v %v", found, ok)
	}
	if _, ok := Find(s, "other"); ok {
		t.Error("found a layer under a key nobody used")
	}
	path := s.Path(l.record.Digest)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := errors.Join(os.Chmod(path, 0o644), os.WriteFile(path, b, 0o644)); err != nil {
		t.Fatal(err)
	}
	for name, open := range map[string]func() (io.ReadCloser, error){"compressed": found.Compressed, "uncompressed": found.Uncompressed} {
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		r, err := open()
		if err == nil {
			_, err = io.Copy(io.Discard, r)
			r.Close()
		}
		if err == nil {
			t.Errorf("%s: a flipped bit was not found", name)
		}
	}
	if _, ok := Find(s, "k"); ok {
		t.Error("the damaged blob is still offered")
	}
}

package debian

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/ulikunitz/xz"

	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// mirrorInMemory is a Source over a map of "archive/path" to content.
type mirrorInMemory struct {
	st    *store.Store
	files map[string][]byte

	mu      sync.Mutex
	fetched []string
}

func (m *mirrorInMemory) Get(_ context.Context, archive, p string, max int64) ([]byte, error) {
	b, ok := m.files[path.Join(archive, p)]
	if !ok {
		return nil, fmt.Errorf("%s: %w", p, fs.ErrNotExist)
	}
	if int64(len(b)) > max {
		return nil, fmt.Errorf("%s is too large", p)
	}
	return b, nil
}

// Fetch believes the mirror: what it gives is stored under its own hash.
func (m *mirrorInMemory) Fetch(ctx context.Context, in lock.Input) (v1.Hash, error) {
	b, err := m.Get(ctx, in.Archive, in.Path, 1<<30)
	if err != nil {
		return v1.Hash{}, err
	}
	m.mu.Lock()
	m.fetched = append(m.fetched, in.Path)
	m.mu.Unlock()
	w, err := m.st.Create()
	if err != nil {
		return v1.Hash{}, err
	}
	defer w.Discard()
	if _, err := w.Write(b); err != nil {
		return v1.Hash{}, err
	}
	return w.Commit(v1.Hash{})
}

// testArchive builds signed archives of three suites.
type testArchive struct {
	t   testing.TB
	key *openpgp.Entity
	m   *mirrorInMemory
}

func newTestArchive(t testing.TB) *testArchive {
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	a := &testArchive{t: t, key: newKey(t, 0), m: &mirrorInMemory{st: st, files: map[string][]byte{}}}
	a.suite("debian", "trixie", "Package: libc6\nVersion: 2.41-12\n\nPackage: base\nVersion: 1\nDepends: libc6\n")
	a.suite("debian", "trixie-updates", "Package: tzdata\nVersion: 2026f\n")
	a.suite("debian-security", "trixie-security", "Package: libc6\nVersion: 2.41-12+deb13u1\n")
	return a
}

func (a *testArchive) suite(archive, suite, text string) { a.suiteWith(archive, suite, text, nil) }

// suiteWith adds a suite; change may edit the Release before it is signed, and
// the files (by their path under dists/SUITE).
func (a *testArchive) suiteWith(archive, suite, text string, change func(release *string, files map[string][]byte)) {
	a.t.Helper()
	index := []byte(complete(text))
	files := map[string][]byte{
		"main/binary-amd64/Packages":    index,
		"main/binary-amd64/Packages.xz": pack(a.t, index, ".xz"),
		"main/binary-amd64/Packages.gz": pack(a.t, index, ".gz"),
	}
	release := "Codename: " + suite + "\nDate: Fri, 20 Nov 2026 02:11:10 UTC\nValid-Until: Fri, 27 Nov 2026 02:11:10 UTC\n" +
		"Acquire-By-Hash: yes\nArchitectures: amd64\nComponents: main\nSHA256:\n"
	for _, name := range []string{"", ".gz", ".xz"} {
		p := "main/binary-amd64/Packages" + name
		sum := fmt.Sprintf("%x", sha256.Sum256(files[p]))
		release += fmt.Sprintf(" %s %d %s\n", sum, len(files[p]), p)
		files[path.Dir(p)+"/by-hash/SHA256/"+sum] = files[p]
	}
	delete(files, "main/binary-amd64/Packages")
	if change != nil {
		change(&release, files)
	}
	prefix := path.Join(archive, "dists", suite) + "/"
	for p := range a.m.files {
		if strings.HasPrefix(p, prefix) {
			delete(a.m.files, p)
		}
	}
	for p, b := range files {
		a.m.files[prefix+p] = b
	}
	a.m.files[prefix+"InRelease"] = []byte(sign(a.t, release, testTime, a.key))
}

func (a *testArchive) open() (*Archive, error) {
	r := &reader{src: a.m, st: a.m.st, keys: openpgp.EntityList{a.key}, now: testTime}
	return r.open(a.t.Context(), "trixie", "amd64")
}

func pack(t testing.TB, b []byte, ext string) []byte {
	t.Helper()
	var buf bytes.Buffer
	if ext == ".gz" {
		w := gzip.NewWriter(&buf)
		w.Write(b)
		w.Close()
		return buf.Bytes()
	}
	w, err := xz.NewWriter(&buf)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(b)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// complete adds to each paragraph the fields that a test leaves out.
func complete(text string) string {
	var out []string
	for p := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		name, _, _ := strings.Cut(strings.TrimPrefix(p, "Package: "), "\n")
		if p != "" {
			p += "\n"
			for _, f := range []string{"Version: 1", "Architecture: amd64", "Filename: pool/" + name + ".deb", "Size: 1", "SHA256: " + someHash} {
				if field, _, _ := strings.Cut(f, " "); !strings.Contains("\n"+p, "\n"+field) {
					p += f + "\n"
				}
			}
		}
		out = append(out, p)
	}
	return strings.Join(out, "\n")
}

func TestOpen(t *testing.T) {
	ta := newTestArchive(t)
	a, err := ta.open()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"libc6": "2.41-12+deb13u1", "tzdata": "2026f", "base": "1", "none": ""} {
		if got, ok := a.Version(name); got != want || ok != (want != "") {
			t.Errorf("%s: %q %v", name, got, ok)
		}
	}
	if n := len(a.byName["libc6"]); n != 2 {
		t.Errorf("%d versions of libc6", n)
	}
	fpr := []string{strings.ToUpper(hexOf(ta.key.PrimaryKey.Fingerprint))}
	want := []lock.Archive{{Name: "debian", Suite: "trixie", SignedBy: fpr}, {Name: "debian", Suite: "trixie-updates", SignedBy: fpr},
		{Name: "debian-security", Suite: "trixie-security", SignedBy: fpr}}
	if d := cmp.Diff(want, a.Archives()); d != "" {
		t.Error(d)
	}
	got, err := a.Resolve(Request{Packages: []string{"libc6"}})
	if err != nil || len(got) != 1 {
		t.Fatal(got, err)
	}
	in := lock.Input{ID: "deb:libc6@2.41-12+deb13u1/amd64", Kind: "deb", Name: "libc6", Version: "2.41-12+deb13u1",
		Archive: "debian-security", Path: "pool/libc6.deb", Size: 1, SHA256: someHash, SignedBy: fpr}
	if d := cmp.Diff(in, got[0].Input()); d != "" {
		t.Error(d)
	}
	for _, p := range ta.m.fetched {
		if !strings.Contains(p, "/by-hash/SHA256/") {
			t.Errorf("fetched %s, though the suite has by-hash", p)
		}
	}
}

// Every form in which a mirror may have the index is found.
func TestOpenFallsBack(t *testing.T) {
	const text = "Package: a\n"
	drop := func(keep string) func(*string, map[string][]byte) {
		return func(_ *string, files map[string][]byte) {
			for p := range files {
				if p != keep {
					delete(files, p)
				}
			}
		}
	}
	gz := fmt.Sprintf("main/binary-amd64/by-hash/SHA256/%x", sha256.Sum256(pack(t, []byte(complete(text)), ".gz")))
	for _, keep := range []string{"main/binary-amd64/Packages.xz", "main/binary-amd64/Packages.gz", gz} {
		ta := newTestArchive(t)
		ta.suiteWith("debian", "trixie", text, drop(keep))
		if _, err := ta.open(); err != nil {
			t.Errorf("%s: %v", keep, err)
		}
		if !slices.Contains(ta.m.fetched, "dists/trixie/"+keep) {
			t.Errorf("%s was not fetched", keep)
		}
	}
	ta := newTestArchive(t)
	ta.suiteWith("debian", "trixie", text, func(r *string, _ map[string][]byte) {
		*r = strings.Replace(*r, "Acquire-By-Hash: yes\n", "", 1)
	})
	if _, err := ta.open(); err != nil || !slices.Contains(ta.m.fetched, "dists/trixie/main/binary-amd64/Packages.xz") {
		t.Errorf("%v %v", err, ta.m.fetched)
	}
}

// Where packages for all architectures have an index of their own, both are read.
func TestOpenAllApart(t *testing.T) {
	ta := newTestArchive(t)
	ta.suiteWith("debian", "trixie", "Package: a\n", func(r *string, files map[string][]byte) {
		all := []byte(complete("Package: b\nArchitecture: all\n"))
		files["main/binary-all/Packages.gz"] = pack(t, all, ".gz")
		*r = strings.Replace(*r, "Architectures: amd64", "Architectures: all amd64", 1) +
			fmt.Sprintf(" %x %d main/binary-all/Packages\n", sha256.Sum256(all), len(all)) +
			fmt.Sprintf(" %x %d main/binary-all/Packages.gz\n", sha256.Sum256(files["main/binary-all/Packages.gz"]), len(files["main/binary-all/Packages.gz"]))
	})
	a, err := ta.open()
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := a.Version("b"); !ok {
		t.Error("b is missing")
	}
}

func TestOpenErrors(t *testing.T) {
	const xzPath = "main/binary-amd64/Packages.xz"
	noByHash := func(r *string) { *r = strings.Replace(*r, "Acquire-By-Hash: yes\n", "", 1) }
	for name, tc := range map[string]struct {
		change func(ta *testArchive)
		err    string
	}{
		"no InRelease": {func(ta *testArchive) { delete(ta.m.files, "debian/dists/trixie-updates/InRelease") }, "does not exist"},
		"another suite's InRelease": {func(ta *testArchive) {
			ta.m.files["debian-security/dists/trixie-security/InRelease"] = ta.m.files["debian/dists/trixie/InRelease"]
		}, `refusing dists/trixie-security/InRelease of the debian-security archive: this is the Release of codename "trixie"`},
		"another key": {func(ta *testArchive) { ta.key = newKey(t, 0) }, "keys that imgbuild does not know"},
		"stale updates": {func(ta *testArchive) {
			ta.suiteWith("debian", "trixie-updates", "", func(r *string, _ map[string][]byte) {
				*r = strings.Replace(*r, "Valid-Until: Fri, 27 Nov", "Valid-Until: Thu, 19 Nov", 1)
			})
		}, "went stale"},
		"tampered index": {func(ta *testArchive) {
			ta.suiteWith("debian", "trixie", "Package: a\n", func(r *string, files map[string][]byte) {
				noByHash(r)
				files[xzPath] = pack(t, []byte(complete("Package: a\nVersion: 666\n")), ".xz")
			})
		}, "the signed Release says sha256:"},
		"index larger than signed": {func(ta *testArchive) {
			ta.suiteWith("debian", "trixie", "Package: a\n", func(r *string, files map[string][]byte) {
				n := len(complete("Package: a\n"))
				*r = strings.Replace(*r, fmt.Sprintf(" %d main/binary-amd64/Packages\n", n), " 17 main/binary-amd64/Packages\n", 1)
			})
		}, "has not the 17 bytes"},
		"bomb": {func(ta *testArchive) {
			ta.suiteWith("debian", "trixie", "Package: a\n", func(r *string, files map[string][]byte) {
				bomb := pack(t, make([]byte, 2<<20), ".xz")
				noByHash(r)
				old := fmt.Sprintf(" %x %d %s\n", sha256.Sum256(files[xzPath]), len(files[xzPath]), xzPath)
				*r = strings.Replace(*r, old, fmt.Sprintf(" %x %d %s\n", sha256.Sum256(bomb), len(bomb), xzPath), 1)
				files[xzPath] = bomb
			})
		}, "Packages of trixie: "},
		"index huge": {func(ta *testArchive) {
			ta.suiteWith("debian", "trixie", "Package: a\n", func(r *string, _ map[string][]byte) {
				*r = strings.Replace(*r, fmt.Sprintf(" %d main/binary-amd64/Packages\n", len(complete("Package: a\n"))), " 99999999999 main/binary-amd64/Packages\n", 1)
			})
		}, "more than the 536870912 allowed"},
		"truncated xz": {func(ta *testArchive) {
			ta.suiteWith("debian", "trixie", "Package: a\n", func(r *string, files map[string][]byte) {
				cut := files[xzPath][:len(files[xzPath])-20]
				noByHash(r)
				old := fmt.Sprintf(" %x %d %s\n", sha256.Sum256(files[xzPath]), len(files[xzPath]), xzPath)
				*r = strings.Replace(*r, old, fmt.Sprintf(" %x %d %s\n", sha256.Sum256(cut), len(cut), xzPath), 1)
				files[xzPath] = cut
			})
		}, "unpacking"},
		"index not listed": {func(ta *testArchive) {
			ta.suiteWith("debian", "trixie", "Package: a\n", func(r *string, _ map[string][]byte) {
				*r = strings.ReplaceAll(*r, "main/binary-amd64/Packages", "main/binary-arm64/Packages")
			})
		}, "does not list it"},
		"no index on the mirror": {func(ta *testArchive) {
			ta.suiteWith("debian", "trixie", "Package: a\n", func(_ *string, files map[string][]byte) { clear(files) })
		}, "does not exist"},
		"another architecture's package": {func(ta *testArchive) {
			ta.suite("debian", "trixie", "Package: a\nArchitecture: i386\n")
		}, "line 1: package a is for architecture i386"},
		"malformed size":    {func(ta *testArchive) { ta.suite("debian", "trixie", "Package: a\n\nPackage: b\nSize: x\n") }, `line 8: package "b": field Size is malformed: "x"`},
		"malformed version": {func(ta *testArchive) { ta.suite("debian", "trixie", "Package: a\nVersion: x\n") }, "field Version is malformed"},
		"no name":           {func(ta *testArchive) { ta.suite("debian", "trixie", "Source: a\n") }, "has no field Package"},
		"path leaves": {func(ta *testArchive) {
			ta.suite("debian", "trixie", "Package: a\nFilename: pool/../../x\n")
		}, "field Filename is malformed"},
		"broken control file":  {func(ta *testArchive) { ta.suite("debian", "trixie", "Package: a\nwhat\n") }, "line 2: no field name"},
		"malformed provisions": {func(ta *testArchive) { ta.suite("debian", "trixie", "Package: a\nProvides: b c\n") }, "field Provides of a 1"},
	} {
		t.Run(name, func(t *testing.T) {
			ta := newTestArchive(t)
			tc.change(ta)
			_, err := ta.open()
			if err == nil || !strings.Contains(err.Error(), tc.err) {
				t.Errorf("got %v, want …%s…", err, tc.err)
			}
		})
	}
}

func TestOpenRefusesNames(t *testing.T) {
	for _, suite := range []string{"", "../x", "trixie/../sid", "Trixie"} {
		if _, err := Open(t.Context(), nil, nil, suite, "amd64"); err == nil {
			t.Errorf("%q was accepted", suite)
		}
	}
}

// A blob that rots in the store is found while it is read.
func TestOpenFindsRot(t *testing.T) {
	ta := newTestArchive(t)
	rotting := &rottenSource{mirrorInMemory: ta.m, t: t}
	r := &reader{src: rotting, st: ta.m.st, keys: openpgp.EntityList{ta.key}, now: testTime}
	if _, err := r.open(t.Context(), "trixie", "amd64"); err == nil {
		t.Error("nothing was found")
	}
}

func TestOpenCancelled(t *testing.T) {
	ta := newTestArchive(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	<-ctx.Done()
	r := &reader{src: ta.m, st: ta.m.st, keys: openpgp.EntityList{ta.key}, now: testTime}
	if _, err := r.open(ctx, "trixie", "amd64"); err == nil {
		t.Error("cancellation was not seen")
	}
}

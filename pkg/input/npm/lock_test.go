package npm

import (
	"archive/tar"
	"crypto/sha512"
	"encoding/base64"
	"os"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/input/inputtest"
	"github.com/imgbuild/imgbuild/pkg/lock"
)

func sri(b []byte) string {
	sum := sha512.Sum512(b)
	return "sha512-" + base64.StdEncoding.EncodeToString(sum[:])
}

// serve is a registry with one release of @s/tool, signed by its own key.
func serve(t *testing.T, change func(*Dist)) (*inputtest.Memory, Keys) {
	t.Helper()
	b := tgz(t, tar.Header{Name: "package/package.json", Size: 20}, tar.Header{Name: "package/bin/tool", Size: 10})
	s := newSigner(t, "SHA256:own")
	keys, err := ParseKeys(s.file(t))
	if err != nil {
		t.Fatal(err)
	}
	d := Dist{Tarball: "https://elsewhere.example/base/@s/tool/-/tool-1.2.3.tgz", Integrity: sri(b)}
	d.Signatures = []Signature{s.sign(t, "@s/tool", "1.2.3", d.Integrity)}
	change(&d)
	m := &inputtest.Memory{Store: inputtest.Store(t)}
	registry(t, m, "1.2.3", map[string]map[string]release{"@s/tool": {"1.2.3": {"dist": map[string]any{
		"tarball": d.Tarball, "integrity": d.Integrity, "shasum": d.Shasum, "signatures": asJSON(d.Signatures)}}}})
	m.Files["npm:@s/tool/-/tool-1.2.3.tgz"] = string(b)
	return m, keys
}

func asJSON(s []Signature) (out []map[string]string) {
	for _, s := range s {
		out = append(out, map[string]string{"keyid": s.KeyID, "sig": s.Sig})
	}
	return out
}

func TestLock(t *testing.T) {
	m, keys := serve(t, func(*Dist) {})
	in, err := Lock(t.Context(), m, m.Store, keys, "@s/tool", "1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	b := []byte(m.Files["npm:@s/tool/-/tool-1.2.3.tgz"])
	h, _, _ := v1.SHA256(strings.NewReader(string(b)))
	want := lock.Input{
		ID: "npm:@s/tool@1.2.3", Kind: "npm", Name: "@s/tool", Version: "1.2.3", Archive: "npm",
		Path: "@s/tool/-/tool-1.2.3.tgz", Size: int64(len(b)), SHA256: h.Hex, Integrity: sri(b), SignedBy: []string{"SHA256:own"},
	}
	equal(t, in, want)

	// Once more, with the tarball gone from the mirror: the store has it.
	delete(m.Files, "npm:@s/tool/-/tool-1.2.3.tgz")
	if in, err = Lock(t.Context(), m, m.Store, keys, "@s/tool", "1.2.3"); err != nil {
		t.Fatal(err)
	}
	equal(t, in, want)

	// A flipped bit in the store is found, and the tarball fetched again.
	m.Files["npm:@s/tool/-/tool-1.2.3.tgz"] = string(b)
	damaged := append([]byte{}, b...)
	damaged[len(damaged)/2] ^= 4
	overwrite(t, m.Store.Path(h), damaged)
	if in, err = Lock(t.Context(), m, m.Store, keys, "@s/tool", "1.2.3"); err != nil {
		t.Fatal(err)
	}
	equal(t, in, want)
	if err := m.Store.Verify(h); err != nil {
		t.Error(err)
	}
}

func TestLockRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		version string
		change  func(*Dist)
		want    string
	}{
		"another tarball":   {"1.2.3", func(d *Dist) { d.Integrity, d.Signatures = sri([]byte("another")), nil }, "not the one that the registry states"},
		"invalid signature": {"1.2.3", func(d *Dist) { d.Signatures[0].Sig = "AAAA" }, "not valid"},
		"unknown key":       {"1.2.3", func(d *Dist) { d.Signatures[0].KeyID = "SHA256:x" }, "not known here"},
		"sha1 only":         {"1.2.3", func(d *Dist) { d.Integrity = "sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=" }, "no sha512"},
		"no integrity":      {"1.2.3", func(d *Dist) { d.Integrity, d.Shasum = "", "da39a3ee5e6b4b0d3255bfef95601890afd80709" }, "no sha512"},
		"another path":      {"1.2.3", func(d *Dist) { d.Tarball = "https://elsewhere.example/x.tgz" }, "expected …/@s/tool/-/tool-1.2.3.tgz"},
		"no such version":   {"1.2.4", func(*Dist) {}, "its latest is 1.2.3"},
		"a range":           {"^1", func(*Dist) {}, "not an exact version"},
		"a path":            {"../1.2.3", func(*Dist) {}, "not an exact version"},
	} {
		t.Run(name, func(t *testing.T) {
			m, keys := serve(t, tc.change)
			_, err := Lock(t.Context(), m, m.Store, keys, "@s/tool", tc.version)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error with %q", err, tc.want)
			}
			h, _, _ := v1.SHA256(strings.NewReader(m.Files["npm:@s/tool/-/tool-1.2.3.tgz"]))
			if _, ok := m.Store.Has(h); ok {
				t.Error("the store kept a tarball that nobody vouches for")
			}
		})
	}
}

// A bit that flips in the store after locking is found when the layer is made.
func TestWriteFindsDamage(t *testing.T) {
	m, keys := serve(t, func(*Dist) {})
	in, err := Lock(t.Context(), m, m.Store, keys, "@s/tool", "1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	b := []byte(m.Files["npm:"+in.Path])
	// In the gzip header's time, which no checksum of gzip or tar covers.
	b[4] ^= 1
	h := v1.Hash{Algorithm: "sha256", Hex: in.SHA256}
	overwrite(t, m.Store.Path(h), b)
	err = Write(t.Context(), &inputtest.Sink{}, m.Store, in, definition.NPMPackage{To: "/opt"})
	if err == nil || !strings.Contains(err.Error(), "differs from its digest") {
		t.Errorf("got %v", err)
	}
}

func overwrite(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

package attach

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/imgbuild/imgbuild/pkg/address"
	"github.com/imgbuild/imgbuild/pkg/input/inputtest"
	"github.com/imgbuild/imgbuild/pkg/push"
	"github.com/imgbuild/imgbuild/pkg/registry"
	"github.com/imgbuild/imgbuild/pkg/sign"
)

var signedImage = v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("ab", 32)}

func newKey(t *testing.T) sign.Key {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("ATTACH_TEST_KEY", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	key, err := sign.Load(t.Context(), "env:ATTACH_TEST_KEY")
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// beside is a repository, and what is attached in it.
type beside struct {
	at   address.Repository
	open *Repository
}

func newRepository(t *testing.T) *beside {
	t.Helper()
	s, err := registry.Start(t.Context(), registry.Options{Dir: t.TempDir(), Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	b := &beside{at: address.Repository{Host: s.Addr(), Path: "base/tiny"}}
	if b.open, err = Open(inputtest.Store(t), b.at); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *beside) put(t *testing.T, kind string, img v1.Image) {
	t.Helper()
	p, err := push.New()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Push(t.Context(), push.Request{Image: img, Repository: b.at, Tags: []string{Tag(signedImage, kind)}}); err != nil {
		t.Fatal(err)
	}
}

func (b *beside) find(t *testing.T, kind string) *Attachment {
	t.Helper()
	a, err := b.open.Find(t.Context(), signedImage, kind)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// The forms, byte for byte: plain images with layers and nothing that only
// newer registries take.
func TestForms(t *testing.T) {
	sig, err := SignatureImage(sign.Payload("registry.example.com/tiny", signedImage), []byte("signature"))
	if err != nil {
		t.Fatal(err)
	}
	att, err := AttestationsImage([]Statement{{"https://example.com/a", []byte(`{"a":1}`)}, {"https://example.com/b", []byte(`{"b":2}`)}})
	if err != nil {
		t.Fatal(err)
	}
	src, err := SourceImage(map[string][]byte{"image.yaml": []byte("name: tiny\n"), "files/b": []byte("b"), "files/a": nil})
	if err != nil {
		t.Fatal(err)
	}
	for name, img := range map[string]v1.Image{"sig": sig, "att": att, "src": src} {
		if err := validate.Image(img); err != nil && name == "src" { // the others' layers are no tars
			t.Errorf("%s: %v", name, err)
		}
		manifest, err := img.RawManifest()
		if err != nil {
			t.Fatal(err)
		}
		config, err := img.RawConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		inputtest.Golden(t, name+".json", string(manifest)+"\n"+string(config)+"\n")
		var m struct {
			Config, Subject, ArtifactType any
		}
		if err := json.Unmarshal(manifest, &m); err != nil || m.Subject != nil || m.ArtifactType != nil || strings.Contains(string(manifest), "vnd.oci.empty") {
			t.Errorf("%s: %s", name, manifest)
		}
	}
	if got := Tag(signedImage, Signature); got != "sha256-"+signedImage.Hex+".sig" || address.CheckTag(got) != nil {
		t.Error(got)
	}
}

func TestSourceImageRefuses(t *testing.T) {
	for _, name := range []string{"../x", "/x", ".", "", "a//b", "a/../b"} {
		if _, err := SourceImage(map[string][]byte{name: nil}); err == nil {
			t.Errorf("%q is packed", name)
		}
	}
}

// Keys sign beside each other, each once.
func TestAddSignature(t *testing.T) {
	b := newRepository(t)
	keys := []sign.Key{newKey(t), newKey(t)}
	if a := b.find(t, Signature); a != nil {
		t.Fatalf("%+v", a)
	}
	for range 2 {
		for i, k := range keys {
			old := b.find(t, Signature)
			img, changed, err := AddSignature(t.Context(), old, signedImage, k, "registry.example.com/tiny")
			if err != nil {
				t.Fatal(err)
			}
			if first := old == nil || len(old.layers) <= i; changed != first {
				t.Errorf("key %d: changed %v", i, changed)
			}
			if d, _ := img.Digest(); !changed && d != old.Digest {
				t.Errorf("key %d: unchanged but %s", i, d)
			}
			b.put(t, Signature, img)
		}
	}
	// The payload is the same for both: one blob, two layers.
	var by []string
	for s, err := range b.find(t, Signature).Signatures(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if err := sign.CheckPayload(s.Payload, signedImage); err != nil {
			t.Error(err)
		}
		for _, k := range keys {
			if sign.Verify(k.Public(), s.Payload, s.Signature) == nil && s.Key == sign.Fingerprint(k.Public()) {
				by = append(by, s.Key)
			}
		}
	}
	if want := []string{sign.Fingerprint(keys[0].Public()), sign.Fingerprint(keys[1].Public())}; !slices.Equal(by, want) {
		t.Errorf("by %q, want %q", by, want)
	}
}

func statements(n int, types ...string) (all []Attestation) {
	for _, k := range types {
		all = append(all, Attestation{k, fmt.Appendf(nil, `{"%s":%d}`, k, n)})
	}
	return all
}

// Statements of others and of other types stay; one's own are replaced where
// they say something else.
func TestAddAttestations(t *testing.T) {
	b := newRepository(t)
	mine, theirs := newKey(t), newKey(t)
	add := func(k sign.Key, all []Attestation) bool {
		t.Helper()
		img, changed, err := AddAttestations(t.Context(), b.find(t, Attestations), k, all, nil)
		if err != nil {
			t.Fatal(err)
		}
		b.put(t, Attestations, img)
		return changed
	}
	have := func(want ...string) {
		t.Helper()
		var got []string
		for s, err := range b.find(t, Attestations).Statements(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			for i, k := range []sign.Key{mine, theirs} {
				if _, payload, err := sign.OpenEnvelope(s.Envelope, public(k)); err == nil {
					got = append(got, fmt.Sprint(i, " ", s.PredicateType, " ", string(payload)))
				}
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q\nwant %q", got, want)
		}
	}
	for step, v := range []struct {
		key     sign.Key
		all     []Attestation
		changed bool
		want    []string
	}{
		{theirs, statements(0, "a"), true, []string{`1 a {"a":0}`}},
		{mine, statements(1, "a", "b"), true, []string{`1 a {"a":0}`, `0 a {"a":1}`, `0 b {"b":1}`}},
		{mine, statements(1, "a", "b"), false, []string{`1 a {"a":0}`, `0 a {"a":1}`, `0 b {"b":1}`}},
		{mine, statements(1, "b"), false, []string{`1 a {"a":0}`, `0 a {"a":1}`, `0 b {"b":1}`}},
		{mine, statements(2, "a"), true, []string{`1 a {"a":0}`, `0 b {"b":1}`, `0 a {"a":2}`}},
		// Several of one type, as an index has for its platforms.
		{mine, append(statements(3, "b"), statements(4, "b")...), true, []string{`1 a {"a":0}`, `0 a {"a":2}`, `0 b {"b":3}`, `0 b {"b":4}`}},
		{mine, append(statements(4, "b"), statements(3, "b")...), false, []string{`1 a {"a":0}`, `0 a {"a":2}`, `0 b {"b":3}`, `0 b {"b":4}`}},
		{theirs, nil, false, []string{`1 a {"a":0}`, `0 a {"a":2}`, `0 b {"b":3}`, `0 b {"b":4}`}},
	} {
		if changed := add(v.key, v.all); changed != v.changed {
			t.Errorf("step %d: changed %v", step, changed)
		}
		have(v.want...)
	}
	// What says the same stays as it is written.
	same := func(string, []byte, []byte) bool { return true }
	old := b.find(t, Attestations)
	img, changed, err := AddAttestations(t.Context(), old, mine, statements(9, "a"), same)
	if d, _ := img.Digest(); err != nil || changed || d != old.Digest {
		t.Errorf("changed %v, %v", changed, err)
	}
}

// Layers that are not ours keep their types, annotations and bytes.
func TestForeignLayers(t *testing.T) {
	b := newRepository(t)
	foreign, err := compose(nil, mutate.Addendum{
		Layer:       static.NewLayer([]byte("foreign"), types.MediaType("application/x-foreign")),
		Annotations: map[string]string{"dev.sigstore.cosign/bundle": "{}"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{Signature, Attestations} {
		b.put(t, kind, foreign)
		old := b.find(t, kind)
		var img v1.Image
		if kind == Signature {
			img, _, err = AddSignature(t.Context(), old, signedImage, newKey(t), "x")
		} else {
			img, _, err = AddAttestations(t.Context(), old, newKey(t), statements(1, "a"), nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		b.put(t, kind, img)
		layers := b.find(t, kind).layers
		if len(layers) != 2 || layers[0].MediaType != "application/x-foreign" || layers[0].Annotations["dev.sigstore.cosign/bundle"] != "{}" || layers[0].Digest != old.layers[0].Digest {
			t.Errorf("%s: %+v", kind, layers)
		}
	}
}

// Sources stay beside each other, for older provenance names them.
func TestAddSource(t *testing.T) {
	b := newRepository(t)
	var sources []v1.Image
	for n := range 3 {
		src, err := SourceImage(map[string][]byte{"image.yaml": fmt.Appendf(nil, "name: %d\n", n)})
		if err != nil {
			t.Fatal(err)
		}
		sources = append(sources, src)
		for again := range 2 {
			img, changed, err := AddSource(t.Context(), b.find(t, Source), src)
			if err != nil || changed != (again == 0) {
				t.Fatalf("changed %v, %v", changed, err)
			}
			b.put(t, Source, img)
		}
	}
	found := b.find(t, Source)
	for n, src := range sources {
		layer, err := SourceLayer(src)
		if err != nil {
			t.Fatal(err)
		}
		if ok, err := found.Unpack(t.Context(), layer, t.TempDir()); !ok || err != nil {
			t.Errorf("source %d: %v %v", n, ok, err)
		}
	}
	// Its diffIDs are those of the layers.
	img, err := found.Image(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(img); err != nil {
		t.Error(err)
	}
	if _, err := SourceLayer(img); err == nil {
		t.Error("one of three is named")
	}
}

func TestFindRefuses(t *testing.T) {
	b := newRepository(t)
	one, err := SignatureImage([]byte("x"), nil)
	if err != nil {
		t.Fatal(err)
	}
	many, err := partial.CompressedToImage(repeated{one, maxLayers + 1})
	if err != nil {
		t.Fatal(err)
	}
	b.put(t, Signature, many)
	if _, err := b.open.Find(t.Context(), signedImage, Signature); err == nil || !strings.Contains(err.Error(), "1001 layers") {
		t.Errorf("error %v", err)
	}
	large, err := SignatureImage(make([]byte, sign.MaxPayload+1), nil)
	if err != nil {
		t.Fatal(err)
	}
	b.put(t, Signature, large)
	for _, err := range b.find(t, Signature).Signatures(t.Context()) {
		if err == nil || !strings.Contains(err.Error(), "more than 1048576") {
			t.Errorf("error %v", err)
		}
	}
	if _, _, err := AddSignature(t.Context(), b.find(t, Signature), signedImage, newKey(t), "x"); err == nil {
		t.Error("a payload too large is taken along")
	}
}

// repeated has the first layer of an image many times.
type repeated struct {
	v1.Image
	times int
}

func (r repeated) RawManifest() ([]byte, error) {
	m, err := r.Image.Manifest()
	if err != nil {
		return nil, err
	}
	m = m.DeepCopy()
	for len(m.Layers) < r.times {
		m.Layers = append(m.Layers, m.Layers[0])
	}
	return json.Marshal(m)
}

func (r repeated) LayerByDigest(h v1.Hash) (partial.CompressedLayer, error) {
	return r.Image.LayerByDigest(h)
}

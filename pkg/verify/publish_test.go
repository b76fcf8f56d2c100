package verify_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/address"
	"github.com/imgbuild/imgbuild/pkg/assemble"
	"github.com/imgbuild/imgbuild/pkg/attach"
	"github.com/imgbuild/imgbuild/pkg/build"
	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/input/inputtest"
	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/provenance"
	"github.com/imgbuild/imgbuild/pkg/push"
	"github.com/imgbuild/imgbuild/pkg/registry"
	"github.com/imgbuild/imgbuild/pkg/sign"
	"github.com/imgbuild/imgbuild/pkg/store"
)

const tinyYAML = `name: tiny
versions: {series: ["1"]}
platforms: [linux/amd64, linux/arm64]
variants:
  - name: full
    layers:
      - name: hello
        files: [{path: /etc/hello, content: hello}, {path: /etc/more, source: more/text}]
      - name: arch
        files: [{path: /etc/arch, content: "{arch}"}]
    config: {cmd: [/etc/hello]}
`

// tiny is a definition with its lock, and the images that they build to.
type tiny struct {
	definition *definition.Loaded
	lock       *lock.Lock
	images     []v1.Image
	platforms  []string
	digest     v1.Hash
	index      v1.ImageIndex // nil for one platform
}

// newTiny builds it for those platforms; text is what a file in it says.
func newTiny(t *testing.T, text string, platforms ...string) *tiny {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "image.yaml"), tinyYAML)
	write(t, filepath.Join(dir, "more/text"), text)
	load := func() *definition.Loaded {
		d, err := definition.Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	l := &lock.Lock{Definition: load().Digest()}
	for _, p := range []string{"linux/amd64", "linux/arm64"} {
		l.Images = append(l.Images, lockedImage(t, load(), p))
	}
	if err := l.WriteFile(filepath.Join(dir, "image.lock")); err != nil {
		t.Fatal(err)
	}
	x := &tiny{definition: load(), lock: l, platforms: platforms}
	engine := newEngine(t)
	for _, p := range platforms {
		images, err := engine.Build(t.Context(), []build.Request{{Definition: x.definition.Definition, Lock: l, Image: x.locked(p)}})
		if err != nil {
			t.Fatal(err)
		}
		x.images = append(x.images, images[0])
	}
	var err error
	if len(platforms) == 1 {
		x.digest, err = x.images[0].Digest()
	} else if x.index, err = build.Index(x.images, platforms); err == nil {
		x.digest, err = x.index.Digest()
	}
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// lockedImage is what package resolve would make of it.
func lockedImage(t *testing.T, d *definition.Loaded, platform string) lock.Image {
	t.Helper()
	img := lock.Image{Version: "1", Series: "1", Variant: "full", Platform: platform}
	values := definition.ValuesFor("1", "1", platform)
	for _, raw := range d.Variants[0].Layers {
		made, err := assemble.Layer(t.Context(), inputtest.Store(t), layer.Gzip, assemble.Spec{Layer: values.ExpandLayer(raw), Files: d.Files})
		if err != nil {
			t.Fatal(err)
		}
		img.Layers = append(img.Layers, lock.Layer{Name: raw.Name, DiffID: made.Record().DiffID.String()})
	}
	return img
}

// nothing is a fetcher for images that need no inputs.
type nothing struct{}

func (nothing) Fetch(_ context.Context, in lock.Input) (v1.Hash, error) {
	return v1.Hash{}, fmt.Errorf("%s is asked for", in.ID)
}

func (nothing) All(_ context.Context, inputs []lock.Input) error {
	if len(inputs) > 0 {
		return fmt.Errorf("%d inputs are asked for", len(inputs))
	}
	return nil
}

func newEngine(t *testing.T) build.Engine {
	return &build.Native{Store: inputtest.Store(t), Fetch: nothing{}, Compression: layer.Gzip}
}

func (x *tiny) locked(platform string) lock.Image {
	for _, i := range x.lock.Images {
		if i.Platform == platform {
			return i
		}
	}
	panic(platform)
}

// publish pushes the image with everything that a release attaches.
func (x *tiny) publish(t *testing.T, repo address.Repository, key sign.Key) {
	t.Helper()
	x.push(t, repo)
	locked, err := x.definition.ReadLock()
	if err != nil {
		t.Fatal(err)
	}
	folder, err := x.definition.Folder(locked)
	if err != nil {
		t.Fatal(err)
	}
	src, err := attach.SourceImage(folder)
	if err != nil {
		t.Fatal(err)
	}
	layer, err := attach.SourceLayer(src)
	if err != nil {
		t.Fatal(err)
	}
	pushImage(t, repo, src, attach.Tag(x.digest, attach.Source))
	x.attach(t, repo, key, x.digest, layer, x.platforms...)
	if x.index != nil {
		for i, img := range x.images {
			digest, err := img.Digest()
			if err != nil {
				t.Fatal(err)
			}
			x.attach(t, repo, key, digest, layer, x.platforms[i])
		}
	}
}

func (x *tiny) push(t *testing.T, repo address.Repository) {
	t.Helper()
	r := push.Request{Repository: repo, Tags: []string{"1"}, Index: x.index}
	if x.index == nil {
		r.Image = x.images[0]
	}
	pushRequest(t, r)
}

// attach signs one manifest and attests what is in it.
func (x *tiny) attach(t *testing.T, repo address.Repository, key sign.Key, digest, source v1.Hash, platforms ...string) {
	t.Helper()
	sig, _, err := attach.AddSignature(t.Context(), nil, digest, key, repo.Name())
	if err != nil {
		t.Fatal(err)
	}
	pushImage(t, repo, sig, attach.Tag(digest, attach.Signature))
	att, _, err := attach.AddAttestations(t.Context(), nil, key, x.statements(t, digest, source, platforms), nil)
	if err != nil {
		t.Fatal(err)
	}
	pushImage(t, repo, att, attach.Tag(digest, attach.Attestations))
}

func (x *tiny) statements(t *testing.T, digest, source v1.Hash, platforms []string) (all []attach.Attestation) {
	t.Helper()
	r := provenance.Request{Definition: x.definition.Definition, Lock: x.lock, Compression: layer.Gzip, Version: "v1.2.3", Source: source}
	for _, p := range platforms {
		r.Images = append(r.Images, x.locked(p))
	}
	made, err := provenance.Of(r)
	if err != nil {
		t.Fatal(err)
	}
	for kind, predicate := range map[string]json.RawMessage{
		provenance.SLSA:      made,
		provenance.SPDX:      json.RawMessage(`{"spdxVersion":"SPDX-2.3","name":"tiny"}`),
		provenance.CycloneDX: json.RawMessage(`{"bomFormat":"CycloneDX","specVersion":"1.6"}`),
	} {
		s, err := provenance.Statement([]provenance.Subject{{Name: "tiny", Digest: digest}}, kind, predicate)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, attach.Attestation{PredicateType: kind, Statement: s})
	}
	return all
}

func pushImage(t *testing.T, repo address.Repository, img v1.Image, tag string) {
	t.Helper()
	pushRequest(t, push.Request{Repository: repo, Image: img, Tags: []string{tag}})
}

func pushRequest(t *testing.T, r push.Request) {
	t.Helper()
	p, err := push.New()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Push(t.Context(), r); err != nil {
		t.Fatal(err)
	}
}

// newRegistry is the built-in one.
func newRegistry(t *testing.T) address.Repository {
	t.Helper()
	s, err := registry.Start(t.Context(), registry.Options{Dir: t.TempDir(), Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return address.Repository{Host: s.Addr(), Path: "base/tiny"}
}

func newStore(t *testing.T) *store.Store { return inputtest.Store(t) }

// newKey makes a key pair in files: KEY.pem and KEY.pub.
func newKey(t *testing.T) (key sign.Key, pub string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "key.pem")
	write(t, path, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	if key, err = sign.Load(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	text, err := sign.PublicPEM(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	pub = filepath.Join(filepath.Dir(path), "key.pub")
	write(t, pub, string(text))
	return key, pub
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

package verify_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/address"
	"github.com/imgbuild/imgbuild/pkg/attach"
	"github.com/imgbuild/imgbuild/pkg/provenance"
	"github.com/imgbuild/imgbuild/pkg/push"
	"github.com/imgbuild/imgbuild/pkg/sign"
	"github.com/imgbuild/imgbuild/pkg/verify"
)

// verifyWith verifies tag 1 of a repository, with an empty store.
func verifyWith(t *testing.T, repo address.Repository, keys ...string) (*verify.Result, error) {
	t.Helper()
	return verifier(t, keys...).Image(t.Context(), address.Reference{Repository: repo, Tag: "1"}, "")
}

func verifier(t *testing.T, keys ...string) *verify.Verifier {
	t.Helper()
	v := &verify.Verifier{Store: newStore(t)}
	for _, k := range keys {
		pub, err := sign.LoadPublic(k)
		if err != nil {
			t.Fatal(err)
		}
		v.Keys = append(v.Keys, pub)
	}
	return v
}

func TestVerify(t *testing.T) {
	key, pub := newKey(t)
	_, other := newKey(t)
	for _, platforms := range [][]string{{"linux/amd64"}, {"linux/amd64", "linux/arm64"}} {
		repo := newRegistry(t)
		x := newTiny(t, "text", platforms...)
		x.publish(t, repo, key)
		r, err := verifyWith(t, repo, other, pub)
		if err != nil {
			t.Fatal(err)
		}
		if r.Signed != x.digest || r.Reference.Digest != x.digest || r.Reference.String() != repo.String()+":1@"+x.digest.String() || sign.Fingerprint(r.SignedBy) != sign.Fingerprint(key.Public()) {
			t.Errorf("%+v", r)
		}
		if len(r.Platforms) != len(platforms) || !r.Whole {
			t.Errorf("%+v", r.Platforms)
		}
		for i, p := range r.Platforms {
			if p.Platform != platforms[i] || len(p.Attestations) != 3 {
				t.Errorf("%+v", p)
			}
		}
		for _, p := range platforms {
			v := verifier(t, pub)
			r, err := v.Image(t.Context(), address.Reference{Repository: repo, Digest: x.digest}, p)
			if err != nil || len(r.Platforms) != 1 || r.Platforms[0].Platform != p {
				t.Errorf("%s: %+v %v", p, r, err)
			}
		}
		_, err = verifier(t, pub).Image(t.Context(), address.Reference{Repository: repo, Tag: "1"}, "linux/s390x")
		if err == nil || !strings.Contains(err.Error(), "it has no linux/s390x, only linux/amd64") {
			t.Errorf("error %v", err)
		}
		_, err = verifyWith(t, repo, other)
		if err == nil || !strings.Contains(err.Error(), "but by "+sign.Fingerprint(key.Public())) || !strings.Contains(err.Error(), "give its public key with --key") {
			t.Errorf("error %v", err)
		}
	}
}

func TestNotSigned(t *testing.T) {
	repo := newRegistry(t)
	key, pub := newKey(t)
	x := newTiny(t, "text", "linux/amd64", "linux/arm64")
	x.push(t, repo)
	_, err := verifyWith(t, repo, pub)
	if _, ok := errors.AsType[*verify.NotSignedError](err); !ok || !strings.Contains(err.Error(), attach.Tag(x.digest, ".sig")) {
		t.Errorf("error %v", err)
	}
	// The signature of one platform alone is enough for that platform.
	arm, _ := x.images[1].Digest()
	x.attach(t, repo, key, arm, x.digest, "linux/arm64")
	ref := address.Reference{Repository: repo, Tag: "1"}
	if _, err := verifier(t, pub).Image(t.Context(), ref, "linux/arm64"); err != nil {
		t.Error(err)
	}
	if _, err := verifier(t, pub).Image(t.Context(), ref, "linux/amd64"); err == nil {
		t.Error("the other platform is verified, too")
	}
}

// tampering is every way to change what is beside an image.
var tampering = map[string]struct {
	kind   string
	change func(t *testing.T, w *world) v1.Image
	want   string
}{
	"another payload": {attach.Signature, func(t *testing.T, w *world) v1.Image {
		return w.signature(t, append(w.signed.Payload, ' '), w.signed.Signature)
	}, "or was changed since"},
	"another signature": {attach.Signature, func(t *testing.T, w *world) v1.Image {
		s := append([]byte(nil), w.signed.Signature...)
		s[len(s)-1] ^= 1
		return w.signature(t, w.signed.Payload, s)
	}, "or was changed since"},
	"a signature that is none": {attach.Signature, func(t *testing.T, w *world) v1.Image {
		return w.signature(t, w.signed.Payload, nil)
	}, "or was changed since"},
	"another key's signature": {attach.Signature, func(t *testing.T, w *world) v1.Image {
		other, _ := newKey(t)
		img, _, err := attach.AddSignature(t.Context(), nil, w.digest, other, "x")
		return must(t, img, err)
	}, "it is not signed by the key"},
	"another image's signature": {attach.Signature, func(t *testing.T, w *world) v1.Image {
		digest, _ := newTiny(t, "another", "linux/arm64").images[0].Digest()
		img, _, err := attach.AddSignature(t.Context(), nil, digest, w.key, "x")
		return must(t, img, err)
	}, "it belongs to another image"},
	"another image's attestation": {attach.Attestations, func(t *testing.T, w *world) v1.Image {
		y := newTiny(t, "another", "linux/arm64")
		all := y.statements(t, y.digest, y.digest, y.platforms)
		img, _, err := attach.AddAttestations(t.Context(), nil, w.key, all, nil)
		return must(t, img, err)
	}, "it belongs to another image"},
	"another bill of materials": {attach.Attestations, func(t *testing.T, w *world) v1.Image {
		return w.changed(t, `"name":"tiny"`, `"name":"tony"`)
	}, "tampered with or damaged"},
	"another provenance": {attach.Attestations, func(t *testing.T, w *world) v1.Image {
		return w.changed(t, `"imgbuild":"v1.2.3"`, `"imgbuild":"v1.2.4"`)
	}, "tampered with or damaged"},
	"envelopes that are none": {attach.Attestations, func(t *testing.T, w *world) v1.Image {
		img, err := attach.AttestationsImage([]attach.Statement{{PredicateType: provenance.SPDX, Envelope: []byte("{}")}})
		return must(t, img, err)
	}, "has no signature"},
	"another payload type": {attach.Attestations, func(t *testing.T, w *world) v1.Image {
		env, err := sign.Envelope(t.Context(), w.key, "text/plain", w.statements(t, w.digest, w.digest, w.platforms)[0].Statement)
		if err != nil {
			t.Fatal(err)
		}
		img, err := attach.AttestationsImage([]attach.Statement{{PredicateType: provenance.SPDX, Envelope: env}})
		return must(t, img, err)
	}, `is a "text/plain"`},
}

// world is a published image that is tampered with.
type world struct {
	*tiny
	key    sign.Key
	pub    string
	repo   address.Repository
	signed attach.Signed
	att    []attach.Statement
}

func newWorld(t *testing.T, repo address.Repository) *world {
	t.Helper()
	w := &world{tiny: newTiny(t, "text", "linux/amd64"), repo: repo}
	w.key, w.pub = newKey(t)
	w.publish(t, repo, w.key)
	at, err := attach.Open(newStore(t), repo)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := at.Find(t.Context(), w.digest, attach.Signature)
	if err != nil {
		t.Fatal(err)
	}
	for s, err := range sig.Signatures(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		w.signed = s
	}
	att, err := at.Find(t.Context(), w.digest, attach.Attestations)
	if err != nil {
		t.Fatal(err)
	}
	for s, err := range att.Statements(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		w.att = append(w.att, s)
	}
	return w
}

// TestForeignIndex: who puts a signed image into an index of his own gets
// nothing but that image verified.
func TestForeignIndex(t *testing.T) {
	key, pub := newKey(t)
	repo := newRegistry(t)
	good, evil := newTiny(t, "good", "linux/amd64"), newTiny(t, "evil", "linux/amd64")
	good.publish(t, repo, key)
	around := func(platforms ...string) v1.Hash {
		index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
		for i, img := range []v1.Image{good.images[0], evil.images[0]} {
			p, err := v1.ParsePlatform(platforms[i])
			if err != nil {
				t.Fatal(err)
			}
			index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: p}})
		}
		pushRequest(t, push.Request{Repository: repo, Index: index, Tags: []string{"foreign"}})
		h, err := index.Digest()
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	look := func(platform string) (*verify.Result, error) {
		return verifier(t, pub).Image(t.Context(), address.Reference{Repository: repo, Tag: "foreign"}, platform)
	}
	index := around("linux/amd64", "linux/arm64")
	r, err := look("linux/amd64")
	if err != nil || r.Signed != good.digest || r.Reference.Digest != index {
		t.Errorf("%+v %v", r, err)
	}
	for _, platform := range []string{"", "linux/arm64"} {
		if r, err := look(platform); err == nil || !strings.Contains(err.Error(), "is not signed") {
			t.Errorf("%q: %+v %v", platform, r, err)
		}
	}
	around("linux/amd64", "linux/amd64/v2")
	if r, err := look("linux/amd64"); err == nil || !strings.Contains(err.Error(), "is not signed") {
		t.Errorf("two of a platform: %+v %v", r, err)
	}
}

func (w *world) signature(t *testing.T, payload, signature []byte) v1.Image {
	t.Helper()
	img, err := attach.SignatureImage(payload, signature)
	return must(t, img, err)
}

// changed has another text in the statements, with their signatures.
func (w *world) changed(t *testing.T, old, new string) v1.Image {
	t.Helper()
	var all []attach.Statement
	n := 0
	for _, s := range w.att {
		before, rest, _ := strings.Cut(string(s.Envelope), `"payload":"`)
		payload, after, _ := strings.Cut(rest, `"`)
		text, err := base64.StdEncoding.DecodeString(payload)
		if err != nil {
			t.Fatal(err)
		}
		n += strings.Count(string(text), old)
		text = []byte(strings.ReplaceAll(string(text), old, new))
		s.Envelope = []byte(before + `"payload":"` + base64.StdEncoding.EncodeToString(text) + `"` + after)
		all = append(all, s)
	}
	if n == 0 {
		t.Fatalf("%s is nowhere", old)
	}
	img, err := attach.AttestationsImage(all)
	return must(t, img, err)
}

func must(t *testing.T, img v1.Image, err error) v1.Image {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func TestTampered(t *testing.T) {
	repo := newRegistry(t)
	for name, v := range tampering {
		w := newWorld(t, repo)
		if _, err := verifyWith(t, repo, w.pub); err != nil {
			t.Fatal(err)
		}
		pushImage(t, repo, v.change(t, w), attach.Tag(w.digest, v.kind))
		if _, err := verifyWith(t, repo, w.pub); err == nil || !strings.Contains(err.Error(), v.want) {
			t.Errorf("%s: error %v; want one with %q", name, err, v.want)
		}
	}
}

// TestCosignRefuses: cosign refuses what we refuse.
func TestCosignRefuses(t *testing.T) {
	testtool.Whole(t)
	c := newCosign(t)
	repo := realRegistry(t)
	for name, v := range tampering {
		w := newWorld(t, repo)
		pushImage(t, repo, v.change(t, w), attach.Tag(w.digest, v.kind))
		ref := repo.String() + "@" + w.digest.String()
		if v.kind == attach.Signature {
			if out, err := c.verify(t, ref, w.pub); err == nil {
				t.Errorf("%s: %s", name, out)
			}
			continue
		}
		kind := "spdxjson"
		if strings.Contains(name, "provenance") {
			kind = "slsaprovenance1"
		}
		if out, err := c.verifyAttestation(t, ref, w.pub, kind); err == nil {
			t.Errorf("%s: %s", name, out)
		}
	}
}

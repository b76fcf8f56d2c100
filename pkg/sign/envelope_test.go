package sign

import (
	"context"
	"crypto"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"

	"github.com/imgbuild/imgbuild/pkg/input/inputtest"
)

// peer verifies with DSSE's own library.
type peer struct{ key crypto.PublicKey }

func (p peer) Verify(_ context.Context, data, sig []byte) error { return Verify(p.key, data, sig) }
func (p peer) KeyID() (string, error)                           { return "", nil }
func (p peer) Public() crypto.PublicKey                         { return p.key }

func TestEnvelope(t *testing.T) {
	k, other := rfcKey(t), newKey(t)
	env, err := Envelope(t.Context(), k, "text/plain", []byte("hello"))
	if err != nil {
		t.Fatal(err)
	}
	inputtest.Golden(t, "envelope.json", string(env)+"\n")
	kind, payload, err := OpenEnvelope(env, []crypto.PublicKey{other.Public(), k.Public()})
	if err != nil || kind != "text/plain" || string(payload) != "hello" {
		t.Fatalf("%q %q %v", kind, payload, err)
	}
	var e dsse.Envelope
	if err := json.Unmarshal(env, &e); err != nil {
		t.Fatal(err)
	}
	v, err := dsse.NewEnvelopeVerifier(peer{k.Public()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(t.Context(), &e); err != nil {
		t.Errorf("DSSE's library: %v", err)
	}
}

// One good signature is enough, whichever it is.
func TestSeveralSignatures(t *testing.T) {
	a, b, c := newKey(t), newKey(t), newKey(t)
	var all dsse.Envelope
	for _, k := range []*local{a, b} {
		env, err := Envelope(t.Context(), k, "text/plain", []byte("hello"))
		if err != nil {
			t.Fatal(err)
		}
		var e dsse.Envelope
		if err := json.Unmarshal(env, &e); err != nil {
			t.Fatal(err)
		}
		all.PayloadType, all.Payload = e.PayloadType, e.Payload
		all.Signatures = append(all.Signatures, dsse.Signature{Sig: "no base64"}, dsse.Signature{KeyID: "SHA256:x", Sig: "AAAA"}, e.Signatures[0])
	}
	env := marshal(t, all)
	for _, k := range []*local{a, b} {
		if _, payload, err := OpenEnvelope(env, []crypto.PublicKey{k.Public()}); err != nil || string(payload) != "hello" {
			t.Errorf("%q %v", payload, err)
		}
	}
	if _, _, err := OpenEnvelope(env, []crypto.PublicKey{c.Public()}); err == nil {
		t.Error("a key that has not signed is accepted")
	}
}

func TestOpenEnvelopeRefuses(t *testing.T) {
	k, other := newKey(t), newKey(t)
	env, err := Envelope(t.Context(), k, "text/plain", []byte("hello"))
	if err != nil {
		t.Fatal(err)
	}
	var good dsse.Envelope
	if err := json.Unmarshal(env, &good); err != nil {
		t.Fatal(err)
	}
	change := func(f func(*dsse.Envelope)) string {
		e := good
		e.Signatures = append([]dsse.Signature(nil), good.Signatures...)
		f(&e)
		return string(marshal(t, e))
	}
	for name, v := range map[string]struct{ text, want string }{
		"another payload": {change(func(e *dsse.Envelope) { e.Payload = base64.StdEncoding.EncodeToString([]byte("hellO")) }), "tampered with or damaged"},
		"another type":    {change(func(e *dsse.Envelope) { e.PayloadType = "text/html" }), "tampered with or damaged"},
		"no key id":       {change(func(e *dsse.Envelope) { e.Signatures[0].KeyID, e.PayloadType = "", "x" }), "or was changed since"},
		"no signature":    {change(func(e *dsse.Envelope) { e.Signatures = nil }), "has no signature"},
		"too many":        {change(func(e *dsse.Envelope) { e.Signatures = make([]dsse.Signature, 101) }), "101 signatures"},
		"no base64":       {change(func(e *dsse.Envelope) { e.Payload = "%" }), "not base64"},
		"payload twice":   {strings.Replace(string(env), `"payload":`, `"payload":"AAAA","payload":`, 1), "is twice"},
		"ſignatures":      {strings.Replace(string(env), `"signatures":`, `"ſignatures":[],"signatures":`, 1), "is twice"},
		"Payload":         {strings.Replace(string(env), `"payload":`, `"Payload":"AAAA","payload":`, 1), "is twice"},
		"not JSON":        {"hello", "reading the envelope"},
		"null":            {"null", "has no signature"},
	} {
		_, payload, err := OpenEnvelope([]byte(v.text), []crypto.PublicKey{k.Public()})
		if err == nil || payload != nil || !strings.Contains(err.Error(), v.want) {
			t.Errorf("%s: %q, error %v; want one with %q", name, payload, err, v.want)
		}
	}
	_, _, err = OpenEnvelope(env, []crypto.PublicKey{other.Public()})
	wrong, ok := errors.AsType[*WrongKeyError](err)
	if !ok || wrong.Altered() || !strings.Contains(err.Error(), "but by "+Fingerprint(k.Public())) || !strings.Contains(err.Error(), Fingerprint(other.Public())) {
		t.Errorf("error %v", err)
	}
	if _, _, err := OpenEnvelope(env, nil); err == nil {
		t.Error("no key is enough")
	}
	// What nobody vouches for is not printed as it comes.
	lying := change(func(e *dsse.Envelope) { e.Signatures[0].KeyID = "\x1b[31mSHA256:evil" })
	if _, _, err := OpenEnvelope([]byte(lying), []crypto.PublicKey{other.Public()}); err == nil || strings.Contains(err.Error(), "evil") {
		t.Errorf("error %v", err)
	}
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

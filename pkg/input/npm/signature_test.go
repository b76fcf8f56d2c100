package npm

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// Signatures that the public registry made, with each of the embedded keys.
var (
	signed2026 = Dist{
		Integrity: "sha512-qecREauMWXHplkpjqsuDuUv4ww+NprMl71k9sMuLkZU7qwjLMkTPxRBjuKvZWWMrAPvZWdGZE9LljUTfCQ1lWQ==",
		Signatures: []Signature{{
			KeyID: "SHA256:DhQ8wR5APBvFHLF/+Tc+AYvPOdTpcIDqOhxsBHRwC7U",
			Sig:   "MEQCIGvolW/eLJuocfuN94cinl0Vz9arMrshmIhulXk/9JEBAiAW18CskQ+uEkWf90x4Dc0TqDoRBQ7lmCAXhpXpqbEJDA==",
		}},
	}
	signed2024 = Dist{
		Integrity: "sha512-gPClNFHEACDPrNPIY9nQ5CtgNzXLek1VKLkenI/RRKrrWSSyIVte0HloLzyQJFW0bXgFnv5TgtcUM+xHE7B6/w==",
		Signatures: []Signature{{
			KeyID: "SHA256:jl3bwswu80PjjokCgh0o2w5c2U4LhQAE57gj9cz1kzA",
			Sig:   "MEYCIQDhX2SZFZyV3rBaQp/tH0NRk1YWw6rF2KrietBA6xDIFQIhANJcAYMSl+mvNefhpxjyApSUK/CXFEnCeUSEQf113OPI",
		}},
	}
)

func TestRegistrySignatures(t *testing.T) {
	keys := DefaultKeys()
	before, after := time.Date(2024, 10, 10, 0, 0, 0, 0, time.UTC), time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)
	with := func(d Dist, s ...Signature) Dist { d.Signatures = append(s, d.Signatures...); return d }
	tampered := signed2026
	tampered.Integrity = strings.Replace(tampered.Integrity, "qecREauM", "qecREauN", 1)
	foreign := Signature{KeyID: "SHA256:unknown", Sig: signed2026.Signatures[0].Sig}

	for name, tc := range map[string]struct {
		name, version string
		dist          Dist
		published     time.Time
		want, err     string
	}{
		"new key":            {"@anthropic-ai/claude-code", "2.1.98", signed2026, after, "SHA256:DhQ8wR5APBvFHLF/+Tc+AYvPOdTpcIDqOhxsBHRwC7U", ""},
		"old key":            {"tool5", "5.0.1", signed2024, before, "SHA256:jl3bwswu80PjjokCgh0o2w5c2U4LhQAE57gj9cz1kzA", ""},
		"old key, expired":   {"tool5", "5.0.1", signed2024, after, "", "expired on 2025-01-29"},
		"old key, no time":   {"tool5", "5.0.1", signed2024, time.Time{}, "", "expired"},
		"another version":    {"@anthropic-ai/claude-code", "2.1.99", signed2026, after, "", "not valid"},
		"another name":       {"claude-code", "2.1.98", signed2026, after, "", "not valid"},
		"another hash":       {"@anthropic-ai/claude-code", "2.1.98", tampered, after, "", "not valid"},
		"beside a foreign":   {"@anthropic-ai/claude-code", "2.1.98", with(signed2026, foreign), after, "SHA256:DhQ8wR5APBvFHLF/+Tc+AYvPOdTpcIDqOhxsBHRwC7U", ""},
		"beside an invalid":  {"@anthropic-ai/claude-code", "2.1.98", with(signed2026, Signature{signed2026.Signatures[0].KeyID, "AAAA"}), after, "", "not valid"},
		"not base64":         {"x", "1.0.0", with(Dist{}, Signature{signed2026.Signatures[0].KeyID, "%"}), after, "", "not valid"},
		"foreign alone":      {"x", "1.0.0", with(Dist{}, foreign), after, "", "not known here"},
		"absent":             {"x", "1.0.0", Dist{}, after, Unsigned, ""},
		"empty key, foreign": {"x", "1.0.0", with(Dist{}, Signature{}), after, "", "not known here"},
	} {
		t.Run(name, func(t *testing.T) {
			by, err := keys.verify(tc.name, tc.version, tc.dist, tc.published)
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Fatalf("got %v, want an error with %q", err, tc.err)
				}
				return
			}
			if err != nil || strings.Join(by, " ") != tc.want {
				t.Errorf("got %q, %v, want %q", by, err, tc.want)
			}
		})
	}
}

// signer is a company's own registry.
type signer struct {
	id  string
	key *ecdsa.PrivateKey
}

func newSigner(t testing.TB, id string) *signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &signer{id, key}
}

func (s *signer) sign(t testing.TB, name, version, integrity string) Signature {
	t.Helper()
	digest := sha256.Sum256([]byte(name + "@" + version + ":" + integrity))
	sig, err := ecdsa.SignASN1(rand.Reader, s.key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return Signature{KeyID: s.id, Sig: base64.StdEncoding.EncodeToString(sig)}
}

// file is what the registry would serve at /-/npm/v1/keys.
func (s *signer) file(t testing.TB) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(&s.key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(map[string]any{"keys": []any{map[string]any{
		"expires": nil, "keyid": s.id, "keytype": "ecdsa-sha2-nistp256", "scheme": "ecdsa-sha2-nistp256",
		"key": base64.StdEncoding.EncodeToString(der),
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestParseKeys(t *testing.T) {
	s := newSigner(t, "SHA256:own")
	good := string(s.file(t))
	keys, err := ParseKeys([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	if k := keys["SHA256:own"]; !k.Public.Equal(&s.key.PublicKey) || !k.Expires.IsZero() {
		t.Errorf("read another key: %+v", k)
	}
	for name, bad := range map[string]string{
		"no json":   "<html>",
		"no keys":   `{"keys":[]}`,
		"rsa":       strings.ReplaceAll(good, "ecdsa-sha2-nistp256", "ssh-rsa"),
		"no base64": strings.Replace(good, `"key":"`, `"key":"%`, 1),
		"no key":    strings.Replace(good, `"key":"`, `"key":"AAAA`, 1),
		"twice":     strings.Replace(good, "]}", ","+strings.TrimPrefix(strings.TrimSuffix(good, "]}"), `{"keys":[`)+"]}", 1),
	} {
		if _, err := ParseKeys([]byte(bad)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func FuzzParseKeys(f *testing.F) {
	f.Add(embedded)
	f.Add([]byte(`{"keys":[{"keytype":"ecdsa-sha2-nistp256","key":"AAAA"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		keys, err := ParseKeys(b)
		if err != nil {
			return
		}
		for id, k := range keys {
			if id == "" || k.Public == nil {
				t.Fatalf("key %q without a key", id)
			}
		}
	})
}

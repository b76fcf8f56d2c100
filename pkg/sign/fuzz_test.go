package sign

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/json"
	"errors"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// A text is a usable key or an error; keys are on P-256 in any case.
func FuzzPEM(f *testing.F) {
	f.Add([]byte("-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYP7UuiVanTHJYet0xjVtaMBJuJI7\nYfpsliFaV8vR6DnzpFk+qVxSVUHDfsO0Mz4ZpE1tDnxEIxf7bRh8qC1X+w==\n-----END PUBLIC KEY-----\n"))
	f.Add([]byte("-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIA==\n-----END EC PRIVATE KEY-----\n"))
	f.Add([]byte("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\neyJrZGYiOnsibmFtZSI6InNjcnlwdCJ9fQ==\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if pub, err := ParsePublic(text); err == nil {
			if k, ok := pub.(*ecdsa.PublicKey); !ok || k.Curve != elliptic.P256() {
				t.Errorf("%T", pub)
			}
			if _, err := PublicPEM(pub); err != nil {
				t.Error(err)
			}
		}
		// A key of which every fuzzed form has to be decrypted is slow.
		key, err := parsePrivate(text, func() ([]byte, error) { return nil, errors.New("no password") })
		if err == nil {
			l := &local{key: key}
			s, err := l.Sign(t.Context(), []byte("x"))
			if err != nil || Verify(l.Public(), []byte("x"), s) != nil {
				t.Errorf("it does not sign: %v", err)
			}
		}
	})
}

// What is accepted says the digest, and where Go's reader finds it.
func FuzzPayload(f *testing.F) {
	digest := v1.Hash{Algorithm: "sha256", Hex: "6105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d"}
	f.Add(Payload("registry.example.com/a", digest))
	f.Add([]byte(`{"critical":{"image":{"docker-manifest-digest":"sha256:00"},"type":"cosign container image signature"},"optional":{"a":1}}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		if CheckPayload(payload, digest) != nil {
			return
		}
		var p simple
		if err := json.Unmarshal(payload, &p); err != nil || p.Critical.Image.DockerManifestDigest != digest.String() || p.Critical.Type != payloadType {
			t.Errorf("accepted: %s", payload)
		}
	})
}

// Without the key no envelope opens, but the one that is there.
func FuzzEnvelope(f *testing.F) {
	// A key of a fixed number, so that seeds stay.
	d := make([]byte, 32)
	d[31] = 7
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d)
	if err != nil {
		f.Fatal(err)
	}
	key := &local{key: private}
	env, err := Envelope(f.Context(), key, "text/plain", []byte("hello"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(env)
	f.Add([]byte(`{"payloadType":"text/plain","payload":"aGVsbG8=","signatures":[{"sig":""}]}`))
	f.Fuzz(func(t *testing.T, env []byte) {
		kind, payload, err := OpenEnvelope(env, []crypto.PublicKey{key.Public()})
		if err == nil && (kind != "text/plain" || string(payload) != "hello") {
			t.Errorf("forged: %q %q", kind, payload)
		}
	})
}

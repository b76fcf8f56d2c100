package npm

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Key is a public key of a registry.
type Key struct {
	ID     string
	Public *ecdsa.PublicKey
	// Expires is when the registry stopped signing with the key: it vouches
	// for releases published before. The zero time is never.
	Expires time.Time
}

// Keys are the keys that are trusted to vouch for releases, by ID.
type Keys map[string]Key

//go:embed keys.json
var embedded []byte

// DefaultKeys returns the keys of the public npm registry. They are the ones
// that npm itself carries, signed by Sigstore's TUF root (seeds.json of
// @sigstore/tuf, target keys.json, in npm 12.2.0), and that Node.js carries
// in corepack; both agree:
//
//	SHA256:jl3bwswu80PjjokCgh0o2w5c2U4LhQAE57gj9cz1kzA  until 2025-01-29
//	SHA256:DhQ8wR5APBvFHLF/+Tc+AYvPOdTpcIDqOhxsBHRwC7U  since 2025-01-13, no end
//
// Keys that a registry serves at /-/npm/v1/keys are not taken: whoever can
// change the packages of a mirror can change those as well.
func DefaultKeys() Keys {
	k, err := ParseKeys(embedded)
	if err != nil {
		panic(err) // the file is part of the program
	}
	return k
}

// KeysFile is the file that DefaultKeys are in, as ParseKeys reads it.
func KeysFile() []byte { return bytes.Clone(embedded) }

// ParseKeys reads keys in the form that registries serve at /-/npm/v1/keys, so
// that a company can hand over those of its own registry.
func ParseKeys(b []byte) (Keys, error) {
	var file struct {
		Keys []struct {
			Expires *time.Time `json:"expires"`
			KeyID   string     `json:"keyid"`
			KeyType string     `json:"keytype"`
			Key     string     `json:"key"`
		} `json:"keys"`
	}
	if err := json.Unmarshal(b, &file); err != nil {
		return nil, fmt.Errorf("reading npm registry keys: %w", err)
	}
	keys := Keys{}
	for _, k := range file.Keys {
		if k.KeyType != "ecdsa-sha2-nistp256" {
			return nil, fmt.Errorf("npm registry key %s: type %q is not ecdsa-sha2-nistp256", k.KeyID, k.KeyType)
		}
		der, err := base64.StdEncoding.DecodeString(k.Key)
		if err != nil {
			return nil, fmt.Errorf("npm registry key %s: %w", k.KeyID, err)
		}
		pub, err := x509.ParsePKIXPublicKey(der)
		if err != nil {
			return nil, fmt.Errorf("npm registry key %s: %w", k.KeyID, err)
		}
		ec, ok := pub.(*ecdsa.PublicKey)
		if !ok || ec.Curve != elliptic.P256() {
			return nil, fmt.Errorf("npm registry key %s is not a P-256 key", k.KeyID)
		}
		if _, twice := keys[k.KeyID]; twice || k.KeyID == "" {
			return nil, fmt.Errorf("npm registry keys: id %q is empty or there twice", k.KeyID)
		}
		key := Key{ID: k.KeyID, Public: ec}
		if k.Expires != nil {
			key.Expires = *k.Expires
		}
		keys[k.KeyID] = key
	}
	if len(keys) == 0 {
		return nil, errors.New("reading npm registry keys: there are none")
	}
	return keys, nil
}

// Unsigned stands in a lock for the key of a release that the registry served
// without a signature, as mirrors do.
const Unsigned = "unsigned"

// verify returns the ids of the keys that signed the release, or Unsigned
// where the registry serves no signature. A signature that does not hold is an
// error, even beside one that does; and so are signatures by unknown keys
// alone, or an attacker could replace a signature by one of his own.
func (k Keys) verify(name, version string, d Dist, published time.Time) ([]string, error) {
	if len(d.Signatures) == 0 {
		return []string{Unsigned}, nil
	}
	// What is signed is the text of dist.integrity, which the tarball must match.
	digest := sha256.Sum256([]byte(name + "@" + version + ":" + d.Integrity))
	var by []string
	for _, s := range d.Signatures {
		key, ok := k[s.KeyID]
		if !ok {
			continue
		}
		sig, err := base64.StdEncoding.DecodeString(s.Sig)
		if err != nil || !ecdsa.VerifyASN1(key.Public, digest[:], sig) {
			return nil, fmt.Errorf("the registry's signature with key %s is not valid: "+
				"the mirror serves something other than what the registry signed", s.KeyID)
		}
		// As npm does, the publishing time is what the packument says.
		if !key.Expires.IsZero() && (published.IsZero() || !published.Before(key.Expires)) {
			return nil, fmt.Errorf("the registry's signature is with key %s, which expired on %s, before the release was published",
				s.KeyID, key.Expires.Format(time.DateOnly))
		}
		by = append(by, s.KeyID)
	}
	if len(by) == 0 {
		return nil, fmt.Errorf("the registry's signature is with key %q, which is not known here; "+
			"if the registry is your own, hand over its keys", d.Signatures[0].KeyID)
	}
	return by, nil
}

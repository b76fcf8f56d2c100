// Package sign makes and checks signatures of images: with ECDSA keys from a
// file, the environment or a command, over cosign's simple-signing payload and
// over DSSE envelopes. What it makes, cosign verifies, and the other way round.
package sign

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"errors"
	"fmt"

	"golang.org/x/crypto/ssh"
)

// Key is a private key, wherever it is.
type Key interface {
	// Sign returns the ASN.1 DER signature (RFC 3279, 2.2.3) over the SHA-256
	// of payload.
	Sign(ctx context.Context, payload []byte) (signature []byte, err error)
	// Public is an *ecdsa.PublicKey on the curve P-256.
	Public() crypto.PublicKey
}

// ErrSignature is wrapped by the errors of signatures that no key has made.
var ErrSignature = errors.New("the signature is not by this key, or what it signs was changed")

// Verify says whether signature is by pub over the SHA-256 of payload.
func Verify(pub crypto.PublicKey, payload, signature []byte) error {
	key, err := p256(pub)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(payload)
	if len(signature) > maxSignature || !ecdsa.VerifyASN1(key, sum[:], signature) {
		return ErrSignature
	}
	return nil
}

// maxSignature limits a signature in bytes; one with P-256 has at most 72.
const maxSignature = 1 << 10

// Fingerprint names a public key as `ssh-keygen -l` does, SHA256:<base64>. It
// is also what DSSE's library compares key ids of envelopes with.
func Fingerprint(pub crypto.PublicKey) string {
	key, err := ssh.NewPublicKey(pub)
	if err != nil {
		return fmt.Sprintf("a key of type %T", pub)
	}
	return ssh.FingerprintSHA256(key)
}

// p256 refuses all keys but ECDSA's on P-256: what cosign generates, and the
// one kind that every verifier has.
func p256(key any) (*ecdsa.PublicKey, error) {
	pub, ok := key.(*ecdsa.PublicKey)
	switch {
	case !ok:
		return nil, fmt.Errorf("it is %s, and images are signed with ECDSA keys on the curve P-256 only; make one with %s", kindOf(key), makeOne)
	case pub.Curve != elliptic.P256():
		return nil, fmt.Errorf("it is an ECDSA key on the curve %s, and images are signed with those on P-256 only; make one with %s", pub.Curve.Params().Name, makeOne)
	}
	return pub, nil
}

const makeOne = "`openssl ecparam -name prime256v1 -genkey -noout -out KEY.pem`, or with `cosign generate-key-pair`"

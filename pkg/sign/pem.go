package sign

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/secure-systems-lab/go-securesystemslib/encrypted"
)

// Types of PEM blocks: RFC 7468 (10, 11, 13), RFC 5915 (4), and cosign's own,
// of which the second is the older one.
const (
	pemPKCS8    = "PRIVATE KEY"
	pemSEC1     = "EC PRIVATE KEY"
	pemParams   = "EC PARAMETERS" // openssl writes them in front of SEC 1 keys
	pemSigstore = "ENCRYPTED SIGSTORE PRIVATE KEY"
	pemCosign   = "ENCRYPTED COSIGN PRIVATE KEY"
	pemPublic   = "PUBLIC KEY"
)

// maxPEM limits the text of a key in bytes.
const maxPEM = 64 << 10

// parsePrivate reads a private key. password is asked for where the key has
// one. No error has anything of the key or its password in it.
func parsePrivate(text []byte, password func() ([]byte, error)) (*ecdsa.PrivateKey, error) {
	block, err := keyBlock(text)
	if err != nil {
		return nil, err
	}
	der := block.Bytes
	switch block.Type {
	case pemSEC1:
		if strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED") {
			return nil, errors.New("it is encrypted the way that openssl's old commands do, which is not safe; import it with `cosign import-key-pair`, or take the password away")
		}
		key, err := x509.ParseECPrivateKey(der)
		if err != nil {
			return nil, errors.New("its content is not an EC private key (RFC 5915)")
		}
		return usable(key)
	case pemSigstore, pemCosign:
		secret, err := password()
		if err != nil {
			return nil, err
		}
		if der, err = encrypted.Decrypt(der, secret); err != nil {
			return nil, errors.New("it can not be decrypted: the password in " + passwordVariable + " is not that of the key, or the file is damaged")
		}
	case pemPKCS8:
	case "ENCRYPTED PRIVATE KEY":
		return nil, errors.New("it is encrypted in a form that is not read (PKCS #8); import it with `cosign import-key-pair`, or take the password away with `openssl pkey`")
	case pemPublic:
		return nil, errors.New("it is a public key; to sign takes the private one")
	default:
		return nil, fmt.Errorf("it is a %q, not a private key", block.Type)
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, errors.New("its content is not a private key (PKCS #8)")
	}
	return usable(key)
}

func usable(key any) (*ecdsa.PrivateKey, error) {
	private, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		_, err := p256(key)
		return nil, err
	}
	if _, err := p256(&private.PublicKey); err != nil {
		return nil, err
	}
	return private, nil
}

// keyBlock is the one block of the text that is no parameter.
func keyBlock(text []byte) (*pem.Block, error) {
	if len(text) > maxPEM {
		return nil, fmt.Errorf("it is larger than %d bytes, which no key is", maxPEM)
	}
	for {
		block, rest := pem.Decode(text)
		switch {
		case block == nil:
			return nil, errors.New("it has no key in PEM form (-----BEGIN …)")
		case block.Type != pemParams:
			return block, nil
		}
		text = rest
	}
}

// ParsePublic reads a public key in PEM form (RFC 7468, 13).
func ParsePublic(text []byte) (crypto.PublicKey, error) {
	block, err := keyBlock(text)
	switch {
	case err != nil:
		return nil, err
	case strings.Contains(block.Type, "PRIVATE"):
		return nil, errors.New("it is a private key; to verify takes the public one, and the private one should not travel: make it with `openssl pkey -in KEY.pem -pubout` or `cosign public-key --key KEY`")
	case block.Type != pemPublic:
		return nil, fmt.Errorf("it is a %q, not a public key", block.Type)
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, errors.New("its content is not a public key (RFC 5280, SubjectPublicKeyInfo)")
	}
	pub, err := p256(key)
	if err != nil {
		return nil, err
	}
	return pub, nil
}

// PublicPEM is the public key in PEM form, as cosign writes cosign.pub.
func PublicPEM(pub crypto.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, fmt.Errorf("writing the public key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemPublic, Bytes: der}), nil
}

func kindOf(key any) string {
	switch key.(type) {
	case *rsa.PrivateKey, *rsa.PublicKey:
		return "an RSA key"
	case ed25519.PrivateKey, ed25519.PublicKey:
		return "an Ed25519 key"
	case *ecdsa.PublicKey:
		return "an ECDSA key"
	}
	return fmt.Sprintf("a key of type %T", key)
}

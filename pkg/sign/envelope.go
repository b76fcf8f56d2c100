package sign

import (
	"context"
	"crypto"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"
)

// MaxEnvelope limits an envelope in bytes. It holds a bill of materials, which
// is megabytes; cosign's own limit is 128 MiB.
const MaxEnvelope = 128 << 20

// maxSignatures limits how many signatures of one envelope are tried.
const maxSignatures = 100

// Envelope signs a payload and returns the DSSE envelope with both as JSON
// (github.com/secure-systems-lab/dsse, envelope.md).
func Envelope(ctx context.Context, k Key, payloadType string, payload []byte) ([]byte, error) {
	signature, err := k.Sign(ctx, dsse.PAE(payloadType, payload))
	if err != nil {
		return nil, err
	}
	return json.Marshal(dsse.Envelope{
		PayloadType: payloadType,
		Payload:     base64.StdEncoding.EncodeToString(payload),
		// The library that verifiers use skips signatures with a key id other
		// than this fingerprint of their key.
		Signatures: []dsse.Signature{{KeyID: Fingerprint(k.Public()), Sig: base64.StdEncoding.EncodeToString(signature)}},
	})
}

// OpenEnvelope returns what is in an envelope that one of the keys has signed.
// Where none has, the error is a *WrongKeyError.
func OpenEnvelope(env []byte, keys []crypto.PublicKey) (payloadType string, payload []byte, err error) {
	e, payload, err := parseEnvelope(env)
	if err != nil {
		return "", nil, err
	}
	wrong := &WrongKeyError{Want: keys}
	signed := dsse.PAE(e.PayloadType, payload)
	for _, s := range e.Signatures {
		signature, err := base64.StdEncoding.DecodeString(s.Sig)
		if err != nil {
			continue // one good signature is enough
		}
		for _, key := range keys {
			if Verify(key, signed, signature) == nil {
				return e.PayloadType, payload, nil
			}
		}
		wrong.Add(s.KeyID)
	}
	return "", nil, wrong
}

func parseEnvelope(env []byte) (*dsse.Envelope, []byte, error) {
	if len(env) > MaxEnvelope {
		return nil, nil, fmt.Errorf("the envelope has %d bytes, more than %d", len(env), MaxEnvelope)
	}
	e := new(dsse.Envelope)
	if err := Unmarshal(env, e); err != nil {
		return nil, nil, fmt.Errorf("reading the envelope: %w", err)
	}
	switch n := len(e.Signatures); {
	case n == 0:
		return nil, nil, errors.New("the envelope has no signature")
	case n > maxSignatures:
		return nil, nil, fmt.Errorf("the envelope has %d signatures, more than %d", n, maxSignatures)
	}
	payload, err := base64.StdEncoding.DecodeString(e.Payload)
	if err != nil {
		return nil, nil, errors.New("the envelope's payload is not base64")
	}
	return e, payload, nil
}

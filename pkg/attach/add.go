package attach

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/imgbuild/imgbuild/pkg/sign"
)

// PayloadType is the DSSE payload type of in-toto statements
// (github.com/in-toto/attestation, spec/v1/envelope.md).
const PayloadType = "application/vnd.in-toto+json"

func errNoLayer(h v1.Hash) error { return fmt.Errorf("the attachment has no layer %s", h) }

// AddSignature returns old, which may be nil, with a signature of image by key,
// and whether that differs from old. Signatures by other keys stay. Where key
// has signed image already, old is returned as it is, whatever that signature
// says the image is called: so a key whose signatures are not deterministic
// signs once, and a second release changes nothing.
func AddSignature(ctx context.Context, old *Attachment, image v1.Hash, key sign.Key, reference string) (img v1.Image, changed bool, err error) {
	for s, err := range old.Signatures(ctx) {
		if err != nil {
			return nil, false, err
		}
		if sign.Verify(key.Public(), s.Payload, s.Signature) == nil && sign.CheckPayload(s.Payload, image) == nil {
			img, err := old.Image(ctx)
			return img, false, err
		}
	}
	payload := sign.Payload(reference, image)
	signature, err := key.Sign(ctx, payload)
	if err != nil {
		return nil, false, fmt.Errorf("signing %s: %w", image, err)
	}
	kept, err := old.kept(ctx, nil)
	if err != nil {
		return nil, false, err
	}
	img, err = compose(kept, signatureLayer(Signed{Payload: payload, Signature: signature, Key: sign.Fingerprint(key.Public())}))
	return img, true, err
}

// Attestation is an in-toto statement to be signed and attached.
type Attestation struct {
	PredicateType string
	// Statement is the statement's JSON, as provenance.Statement returns it.
	Statement []byte
}

// Damaged says that the statement is of no use to anybody: its envelope can not
// be read, or says to be by key and is not. While it is there, nobody who trusts
// key can verify the image.
func (s Statement) Damaged(key crypto.PublicKey) bool {
	_, _, err := sign.OpenEnvelope(s.Envelope, []crypto.PublicKey{key})
	wrong, ok := errors.AsType[*sign.WrongKeyError](err)
	return err != nil && (!ok || wrong.Altered())
}

// AddAttestations returns old, which may be nil, with the attestations signed
// by key, and whether that differs from old. Statements by other keys and of
// other types stay, in their order. A statement that key has signed and that
// says the same stays as it is; others by key of the same type are replaced,
// and damaged ones are left out.
// same says whether two statements of a type say the same, nil that only equal
// bytes do.
func AddAttestations(ctx context.Context, old *Attachment, key sign.Key, all []Attestation, same func(predicateType string, old, new []byte) bool) (img v1.Image, changed bool, err error) {
	there := make([]bool, len(all))
	drop := map[int]bool{}
	if old != nil {
		for i, d := range old.layers {
			if d.MediaType != AttestationType {
				continue
			}
			s, err := old.statement(ctx, d)
			if err != nil {
				return nil, false, err
			}
			if s.Damaged(key.Public()) {
				drop[i] = true
				continue
			}
			kind, payload, err := sign.OpenEnvelope(s.Envelope, []crypto.PublicKey{key.Public()})
			if err != nil || kind != PayloadType {
				continue // somebody else's
			}
			// There may be several of a type: an index has a bill of materials
			// for each platform. One that is none of them is dropped.
			for j, a := range all {
				if s.PredicateType != a.PredicateType {
					continue
				}
				drop[i] = true
				if !there[j] && (bytes.Equal(payload, a.Statement) || same != nil && same(a.PredicateType, payload, a.Statement)) {
					there[j], drop[i] = true, false
					break
				}
			}
		}
	}
	var added []mutate.Addendum
	for j, a := range all {
		if there[j] {
			continue
		}
		envelope, err := sign.Envelope(ctx, key, PayloadType, a.Statement)
		if err != nil {
			return nil, false, fmt.Errorf("signing the attestation %s: %w", a.PredicateType, err)
		}
		added = append(added, statementLayer(Statement{a.PredicateType, envelope}))
	}
	for _, gone := range drop {
		changed = changed || gone
	}
	if !changed && len(added) == 0 && old != nil {
		img, err := old.Image(ctx)
		return img, false, err
	}
	kept, err := old.kept(ctx, drop)
	if err != nil {
		return nil, false, err
	}
	img, err = compose(kept, added...)
	return img, true, err
}

// AddSource returns old, which may be nil, with the layer of source, an image
// as SourceImage makes it, and whether that differs from old. Layers that are
// there stay, for provenance that was signed before names them.
func AddSource(ctx context.Context, old *Attachment, source v1.Image) (img v1.Image, changed bool, err error) {
	layer, err := SourceLayer(source)
	if err != nil || old == nil {
		return source, err == nil, err
	}
	for _, d := range old.layers {
		if d.Digest == layer {
			img, err := old.Image(ctx)
			return img, false, err
		}
	}
	kept, err := old.kept(ctx, nil)
	if err != nil {
		return nil, false, err
	}
	layers, err := source.Layers()
	if err != nil {
		return nil, false, err
	}
	img, err = compose(kept, mutate.Addendum{Layer: layers[0]})
	return img, true, err
}

// SourceLayer is the digest of the layer in what SourceImage made: what
// provenance names.
func SourceLayer(source v1.Image) (v1.Hash, error) {
	layers, err := source.Layers()
	if err != nil {
		return v1.Hash{}, err
	}
	if len(layers) != 1 {
		return v1.Hash{}, fmt.Errorf("the source has %d layers, want one", len(layers))
	}
	return layers[0].Digest()
}

// Package attach keeps what belongs to an image beside it in its repository:
// signatures, attestations and the source it was built from, each as an image
// of its own under a tag made from the image's digest, as cosign does it
// (github.com/sigstore/cosign, specs/SIGNATURE_SPEC.md). Such tags are plain
// images to a registry: they need no referrers, no empty descriptors and no
// entries in the image's own index, which some registries refuse.
package attach

import (
	"encoding/base64"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Kinds of attachments: the ends of their tags. cosign knows the first two.
const (
	Signature    = ".sig"
	Attestations = ".att"
	Source       = ".src"
)

// Media types of layers, as cosign writes them.
const (
	SignatureType   types.MediaType = "application/vnd.dev.cosign.simplesigning.v1+json"
	AttestationType types.MediaType = "application/vnd.dsse.envelope.v1+json"
	SourceType                      = types.OCILayer
)

// Annotations of layers. The first two are cosign's; the third names the key
// of a signature by its fingerprint, for messages only.
const (
	signatureAnnotation = "dev.cosignproject.cosign/signature"
	predicateAnnotation = "predicateType"
	keyAnnotation       = "io.github.imgbuild.key"
)

// Tag is the tag in the image's repository under which an attachment of that
// kind is: sha256-<hex>.sig.
func Tag(image v1.Hash, kind string) string { return image.Algorithm + "-" + image.Hex + kind }

// Signed is one signature of an image.
type Signed struct {
	// Payload is the simple-signing payload, Signature its signature in DER.
	Payload, Signature []byte
	// Key is the fingerprint of the key, empty where it is not said. Nothing
	// vouches for it.
	Key string
}

// Statement is one attestation.
type Statement struct {
	PredicateType string
	// Envelope is the DSSE envelope with the in-toto statement.
	Envelope []byte
}

// SignatureImage is the attachment with one signature.
func SignatureImage(payload, signature []byte) (v1.Image, error) {
	return compose(nil, signatureLayer(Signed{Payload: payload, Signature: signature}))
}

// AttestationsImage is the attachment with those statements, one a layer.
func AttestationsImage(statements []Statement) (v1.Image, error) {
	var layers []mutate.Addendum
	for _, s := range statements {
		layers = append(layers, statementLayer(s))
	}
	return compose(nil, layers...)
}

func signatureLayer(s Signed) mutate.Addendum {
	a := mutate.Addendum{
		Layer:       static.NewLayer(s.Payload, SignatureType),
		Annotations: map[string]string{signatureAnnotation: base64.StdEncoding.EncodeToString(s.Signature)},
	}
	if s.Key != "" {
		a.Annotations[keyAnnotation] = s.Key
	}
	return a
}

func statementLayer(s Statement) mutate.Addendum {
	return mutate.Addendum{
		Layer: static.NewLayer(s.Envelope, AttestationType),
		// cosign reads the first annotation of every layer.
		Annotations: map[string]string{signatureAnnotation: "", predicateAnnotation: s.PredicateType},
	}
}

// compose is the image with kept layers in front and new ones after them. Its
// config is that of an image, for registries look at it.
func compose(kept []mutate.Addendum, layers ...mutate.Addendum) (v1.Image, error) {
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	return mutate.Append(base, append(kept, layers...)...)
}

package sign

import (
	"encoding/json"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// payloadType is the type inside a simple-signing payload that cosign writes.
const payloadType = "cosign container image signature"

// MaxPayload limits a simple-signing payload in bytes.
const MaxPayload = 1 << 20

// simple is the simple-signing payload (containers-signature(5), "JSON data
// format"), with the fields in cosign's order.
type simple struct {
	Critical struct {
		Identity struct {
			DockerReference string `json:"docker-reference"`
		} `json:"identity"`
		Image struct {
			DockerManifestDigest string `json:"docker-manifest-digest"`
		} `json:"image"`
		Type string `json:"type"`
	} `json:"critical"`
	Optional map[string]any `json:"optional"`
}

// Payload is what a signature of an image signs: cosign's simple-signing JSON,
// with the same bytes each time. reference is HOST/NAME of the image as the
// signer calls it. Verifiers of cosign's signatures go by the digest alone, and
// so an image that was copied is still signed.
func Payload(reference string, digest v1.Hash) []byte {
	var p simple
	p.Critical.Identity.DockerReference = reference
	p.Critical.Image.DockerManifestDigest = digest.String()
	p.Critical.Type = payloadType
	data, err := json.Marshal(p)
	if err != nil {
		panic(err) // strings only
	}
	return data
}

// OtherImageError says that a payload is for another image.
type OtherImageError struct {
	Want v1.Hash
	Got  string
}

func (e *OtherImageError) Error() string {
	return fmt.Sprintf("it signs the image %s, not %s", shown(e.Got), e.Want)
}

// CheckPayload says whether a payload, whose signature was verified, signs the
// image with that digest.
func CheckPayload(payload []byte, digest v1.Hash) error {
	if len(payload) > MaxPayload {
		return fmt.Errorf("the signed payload has %d bytes, more than %d", len(payload), MaxPayload)
	}
	var p simple
	if err := Unmarshal(payload, &p); err != nil {
		return fmt.Errorf("reading the signed payload: %w", err)
	}
	if p.Critical.Type != payloadType {
		return fmt.Errorf("the signed payload is of the type %q, not %q", shown(p.Critical.Type), payloadType)
	}
	if got := p.Critical.Image.DockerManifestDigest; got != digest.String() {
		return &OtherImageError{Want: digest, Got: got}
	}
	return nil
}

// Package verify checks published images: that a key has signed them, that
// what is attached to them is by that key and about them, and that they are
// what their source builds to. Nothing that an image holds is ever run.
package verify

import (
	"context"
	"crypto"
	"errors"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/address"
	"github.com/imgbuild/imgbuild/pkg/attach"
	"github.com/imgbuild/imgbuild/pkg/input/image"
	"github.com/imgbuild/imgbuild/pkg/provenance"
	"github.com/imgbuild/imgbuild/pkg/source"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// Verifier verifies images of registries.
type Verifier struct {
	Store *store.Store
	// Keys are the public keys that are trusted; one of them is enough.
	Keys []crypto.PublicKey
	// Registry says how registries are read.
	Registry []image.Option
}

// Result is what is known of an image that was verified.
type Result struct {
	// Reference is the image as it was asked for, with the digest that its tag
	// pointed to.
	Reference address.Reference
	// SignedBy is the key that has signed it.
	SignedBy crypto.PublicKey
	// Signed is the manifest that it has signed, and so the one to pull: that
	// of Reference, or that of the one platform which was asked for.
	Signed v1.Hash
	// Attestations are those of the index, none for a single manifest.
	Attestations []Attestation
	// Others are statements there that say to be by keys that are not trusted:
	// their type and the key. Nothing of them was verified.
	Others []string
	// Platforms are the images of an index, or the one that there is.
	Platforms []Platform
	// Whole says that Platforms are all of them.
	Whole bool

	repository *attach.Repository
	index      bool
}

// Platform is the image of one platform.
type Platform struct {
	Platform     string
	Digest       v1.Hash
	Attestations []Attestation
	Others       []string // as those of Result

	image v1.Image
}

// Attestation is a statement about an image that one of the keys has signed.
type Attestation struct {
	PredicateType string
	// Provenance is set for SLSA provenance by imgbuild.
	Provenance *provenance.Predicate
}

// NotSignedError says that an image has no signature at all.
type NotSignedError struct{ Reference address.Reference }

func (e *NotSignedError) Error() string {
	return fmt.Sprintf("%s is not signed: %s has no tag %s; sign it with `imgbuild release` or `cosign sign`, or copy its signature if it was copied from elsewhere",
		e.Reference, e.Reference.Repository.Name(), attach.Tag(e.Reference.Digest, attach.Signature))
}

// Image verifies one image. Where platform, such as linux/arm64, is not empty,
// nothing of the other platforms of an index is looked at, and a signature of
// that platform's image alone is enough: Signed says which it is.
func (v *Verifier) Image(ctx context.Context, ref address.Reference, platform string) (*Result, error) {
	src, err := source.Open(ctx, v.Store, source.Name{Reference: ref}, "", v.Registry...)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	ref.Digest = src.Digest
	r := &Result{Reference: ref, index: src.Index != nil}
	if r.repository, err = attach.Open(v.Store, ref.Repository, v.Registry...); err != nil {
		return nil, err
	}
	if err := r.open(src, platform); err != nil {
		return nil, fmt.Errorf("%s: %w", ref, err)
	}
	if err := v.signer(ctx, r, platform); err != nil {
		return nil, err
	}
	if r.index {
		if r.Attestations, r.Others, err = v.attestations(ctx, r.repository, src.Digest); err != nil {
			return nil, fmt.Errorf("%s: %w", ref, err)
		}
	}
	for i := range r.Platforms {
		p := &r.Platforms[i]
		if p.Attestations, p.Others, err = v.attestations(ctx, r.repository, p.Digest); err != nil {
			return nil, fmt.Errorf("%s for %s: %w", ref, p.Platform, err)
		}
	}
	return r, nil
}

// open lists the platforms.
func (r *Result) open(src *source.Source, platform string) error {
	var offered []string
	want := &v1.Platform{}
	if platform != "" {
		var err error
		if want, err = v1.ParsePlatform(platform); err != nil {
			return err
		}
	}
	add := func(p *v1.Platform, img v1.Image) error {
		name := "an unknown platform"
		if p != nil {
			name = p.String()
		}
		offered = append(offered, name)
		if platform != "" && (p == nil || !p.Satisfies(*want)) {
			return nil
		}
		digest, err := img.Digest()
		r.Platforms = append(r.Platforms, Platform{Platform: name, Digest: digest, image: img})
		return err
	}
	if src.Image != nil {
		config, err := src.Image.ConfigFile()
		if err != nil {
			return fmt.Errorf("reading the image's config: %w", err)
		}
		if err := add(config.Platform(), src.Image); err != nil {
			return err
		}
	} else {
		m, err := src.Index.IndexManifest()
		if err != nil {
			return err
		}
		for _, d := range m.Manifests {
			// What is attached to images inside an index stands for unknown/unknown.
			if !d.MediaType.IsImage() || d.Platform == nil || d.Platform.OS == "unknown" {
				continue
			}
			img, err := src.Index.Image(d.Digest)
			if err != nil {
				return err
			}
			if err := add(d.Platform, img); err != nil {
				return err
			}
		}
	}
	if platform != "" && len(r.Platforms) == 0 {
		return fmt.Errorf("it has no %s, only %s", platform, list(offered))
	}
	r.Whole = len(r.Platforms) == len(offered)
	return nil
}

// signer finds the key that has signed the image: what its tag points to, or
// the one platform that was asked for. Several that are like it are not enough:
// clients choose among them each in their own way.
func (v *Verifier) signer(ctx context.Context, r *Result, platform string) error {
	digests := []v1.Hash{r.Reference.Digest}
	if platform != "" && len(r.Platforms) == 1 && r.Platforms[0].Digest != r.Reference.Digest {
		digests = append(digests, r.Platforms[0].Digest)
	}
	var first error
	for _, d := range digests {
		key, err := v.signature(ctx, r.repository, d)
		switch {
		case err == nil:
			r.SignedBy, r.Signed = key, d
			return nil
		case errors.Is(err, errNone):
			err = &NotSignedError{r.Reference}
		default:
			err = fmt.Errorf("the signature of %s: %w", r.Reference, err)
		}
		if first == nil {
			first = err
		}
	}
	return first
}

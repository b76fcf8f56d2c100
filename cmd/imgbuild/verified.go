package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/sign"
	"github.com/imgbuild/imgbuild/pkg/verify"
)

// verified is one line of standard output of `imgbuild verify`.
type verified struct {
	Reference string `json:"reference"` // NAME[:TAG]@DIGEST
	Digest    string `json:"digest"`
	// Key is the key as it was given with --key, Fingerprint its SHA256:….
	Key         string             `json:"key"`
	Fingerprint string             `json:"fingerprint"`
	Platforms   []verifiedPlatform `json:"platforms"`
}

// verifiedPlatform is the image of one platform.
type verifiedPlatform struct {
	Platform string `json:"platform"`
	Digest   string `json:"digest"`
	// Attestations are the predicate types of statements that are verified.
	Attestations []string `json:"attestations"`
	// Unverified are statements by keys that were not given: type and key.
	Unverified []string `json:"unverified,omitempty"`
	// Built is what the provenance says, absent where there is none.
	Built *verifiedBuild `json:"built,omitempty"`
	// Rebuilt says that the image was built again, with the same digest.
	Rebuilt bool `json:"rebuilt"`

	names []string // of the attestations
}

// verifiedBuild is what signed provenance says of a build.
type verifiedBuild struct {
	Definition string `json:"definition"`
	Version    string `json:"version"`
	Variant    string `json:"variant"`
	Imgbuild   string `json:"imgbuild"` // its version
}

func (v *verifying) result(r *verify.Result) verified {
	signed := r.Reference
	signed.Digest = r.Signed
	d := verified{Reference: signed.String(), Digest: signed.Digest.String(), Fingerprint: sign.Fingerprint(r.SignedBy)}
	for i, k := range v.keys {
		if sign.Fingerprint(k) == d.Fingerprint {
			d.Key = v.keySpecs[i]
		}
	}
	for _, p := range r.Platforms {
		out := verifiedPlatform{Platform: p.Platform, Digest: p.Digest.String(), Attestations: []string{}, Rebuilt: v.rebuild}
		for _, a := range append(p.Attestations[:len(p.Attestations):len(p.Attestations)], r.Attestations...) {
			if !slices.Contains(out.Attestations, a.PredicateType) {
				out.Attestations = append(out.Attestations, a.PredicateType)
				out.names = append(out.names, a.Name())
			}
			if a.Provenance != nil && out.Built == nil {
				b := a.Provenance.BuildDefinition
				out.Built = &verifiedBuild{
					Definition: b.ExternalParameters.Definition, Version: b.ExternalParameters.Version,
					Variant: b.ExternalParameters.Variant, Imgbuild: b.InternalParameters.Imgbuild,
				}
			}
		}
		for _, o := range append(p.Others[:len(p.Others):len(p.Others)], r.Others...) {
			if !slices.Contains(out.Unverified, o) {
				out.Unverified = append(out.Unverified, o)
			}
		}
		d.Platforms = append(d.Platforms, out)
	}
	return d
}

// note tells people what was verified.
func (d verified) note(g *global) {
	g.note("%s is signed by %s (%s)", d.Reference, d.Key, d.Fingerprint)
	for _, p := range d.Platforms {
		said := "nothing is attached"
		if len(p.names) > 0 {
			said = strings.Join(p.names, ", ")
		}
		if b := p.Built; b != nil {
			said += fmt.Sprintf("; built from %s %s %s by imgbuild %s", b.Definition, b.Version, b.Variant, b.Imgbuild)
		}
		if len(p.Unverified) > 0 {
			said += "; not verified, by keys that were not given: " + strings.Join(p.Unverified, ", ")
		}
		if p.Rebuilt {
			said += "; built again: the same"
		}
		g.note("  %s: %s", p.Platform, said)
	}
}

func (g *global) printVerified(all []verified) error {
	if g.json {
		if all == nil {
			all = []verified{}
		}
		return g.printJSON(all)
	}
	for _, d := range all {
		if _, err := fmt.Fprintln(g.stdout, d.Reference); err != nil {
			return err
		}
	}
	return nil
}

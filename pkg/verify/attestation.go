package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/attach"
	"github.com/imgbuild/imgbuild/pkg/provenance"
	"github.com/imgbuild/imgbuild/pkg/sign"
)

// attestations are the statements about the manifest with that digest that one
// of the keys has signed.
//
// Others may attach statements with keys of their own, and where one says so it
// is left alone. But a statement that says to be by a trusted key and is not,
// or provenance or a bill of materials that says nothing while none of its
// type is by a trusted key, is an error: it is what tampering looks like.
func (v *Verifier) attestations(ctx context.Context, repo *attach.Repository, digest v1.Hash) (good []Attestation, others []string, err error) {
	found, err := repo.Find(ctx, digest, attach.Attestations)
	if err != nil {
		return nil, nil, err
	}
	unknown := map[string]error{}
	for s, err := range found.Statements(ctx) {
		if err != nil {
			return nil, nil, err
		}
		a, err := v.statement(s, digest)
		if err == nil {
			good = append(good, a)
			continue
		}
		wrong, ok := errors.AsType[*sign.WrongKeyError](err)
		err = fmt.Errorf("the attestation %s: %w", name(s.PredicateType), err)
		switch {
		case !ok || wrong.Altered():
			return nil, nil, err
		case len(wrong.Got) > 0:
			others = append(others, name(s.PredicateType)+" by "+list(wrong.Got))
		default:
			unknown[s.PredicateType] = err
		}
	}
	for _, kind := range []string{provenance.SLSA, provenance.SPDX, provenance.CycloneDX, ""} {
		if err := unknown[kind]; err != nil && !slices.ContainsFunc(good, func(a Attestation) bool { return a.PredicateType == kind }) {
			return nil, nil, fmt.Errorf("%w; if you trust who made it, give that public key with --key, too", err)
		}
	}
	return good, others, nil
}

// statement opens one statement.
func (v *Verifier) statement(s attach.Statement, digest v1.Hash) (a Attestation, err error) {
	kind, payload, err := sign.OpenEnvelope(s.Envelope, v.Keys)
	if err != nil {
		return a, err
	}
	if kind != attach.PayloadType {
		return a, fmt.Errorf("what is signed is a %.100q, not an in-toto statement", kind)
	}
	p, err := provenance.ParseStatement(payload)
	if err != nil {
		return a, err
	}
	if !p.About(digest) {
		return a, fmt.Errorf("it is about %s, not about %s; it belongs to another image and was put here", p.Subjects[0].Digest, digest)
	}
	a.PredicateType = p.PredicateType
	if p.PredicateType == provenance.SLSA {
		// That of another builder says nothing that is used here.
		a.Provenance, _ = provenance.ParsePredicate(p.Predicate)
	}
	return a, nil
}

// name is the predicate type for people.
func name(predicateType string) string {
	switch predicateType {
	case provenance.SLSA:
		return "SLSA provenance"
	case provenance.SPDX:
		return "SPDX"
	case provenance.CycloneDX:
		return "CycloneDX"
	case "":
		return "of an unknown type"
	}
	return fmt.Sprintf("%.200q", predicateType)
}

// Name is the attestation's type for people.
func (a Attestation) Name() string { return name(a.PredicateType) }

// Package provenance says, in the form of the in-toto attestation framework,
// what is true of an image: the form of statements, and SLSA provenance, which
// names everything an image was built from. Both are pure functions of what
// they are given: there is no clock in them and no name of a machine.
package provenance

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/sign"
)

// Predicate types.
const (
	SLSA      = "https://slsa.dev/provenance/v1"
	SPDX      = "https://spdx.dev/Document"
	CycloneDX = "https://cyclonedx.org/bom"
)

// Types of in-toto statements (github.com/in-toto/attestation,
// spec/v1/statement.md). The older one is what cosign writes.
const (
	statementV1  = "https://in-toto.io/Statement/v1"
	statementV01 = "https://in-toto.io/Statement/v0.1"
)

// Subject is what a statement is about.
type Subject struct {
	// Name is for people; the digest says what is meant.
	Name   string
	Digest v1.Hash
}

type statement struct {
	Type          string          `json:"_type"`
	Subject       []descriptor    `json:"subject"`
	PredicateType string          `json:"predicateType"`
	Predicate     json.RawMessage `json:"predicate"`
}

// descriptor is in-toto's ResourceDescriptor (spec/v1/resource_descriptor.md).
type descriptor struct {
	Name      string            `json:"name,omitempty"`
	URI       string            `json:"uri,omitempty"`
	Digest    map[string]string `json:"digest,omitempty"`
	MediaType string            `json:"mediaType,omitempty"`
}

// Statement is the in-toto statement that says predicate of subjects.
func Statement(subjects []Subject, predicateType string, predicate json.RawMessage) ([]byte, error) {
	if len(subjects) == 0 || predicateType == "" {
		return nil, errors.New("a statement needs a subject and a type")
	}
	s := statement{Type: statementV1, PredicateType: predicateType, Predicate: predicate}
	for _, sub := range subjects {
		s.Subject = append(s.Subject, descriptor{Name: sub.Name, Digest: digestSet(sub.Digest)})
	}
	data, err := encode(s)
	if err != nil {
		return nil, fmt.Errorf("writing the statement %s: %w", predicateType, err)
	}
	return data, nil
}

// Parsed is a statement that was read.
type Parsed struct {
	Subjects      []Subject
	PredicateType string
	Predicate     json.RawMessage
}

// ParseStatement reads a statement. It says nothing about who made it: that is
// known from the envelope it was in.
func ParseStatement(data []byte) (*Parsed, error) {
	var s statement
	if err := sign.Unmarshal(data, &s); err != nil {
		return nil, fmt.Errorf("reading the statement: %w", err)
	}
	switch {
	case s.Type != statementV1 && s.Type != statementV01:
		return nil, fmt.Errorf("it is a %.100q, not an in-toto statement", s.Type)
	case s.PredicateType == "":
		return nil, errors.New("the statement has no predicate type")
	case len(s.Predicate) == 0:
		return nil, errors.New("the statement has no predicate")
	}
	p := &Parsed{PredicateType: s.PredicateType, Predicate: s.Predicate}
	for _, sub := range s.Subject {
		if h, ok := sub.sha256(); ok {
			p.Subjects = append(p.Subjects, Subject{Name: sub.Name, Digest: h})
		}
	}
	if len(p.Subjects) == 0 {
		return nil, errors.New("the statement is about nothing that has a SHA-256")
	}
	return p, nil
}

// About says whether the statement is about the image with that digest.
func (p *Parsed) About(image v1.Hash) bool {
	return slices.ContainsFunc(p.Subjects, func(s Subject) bool { return s.Digest == image })
}

func digestSet(h v1.Hash) map[string]string { return map[string]string{h.Algorithm: h.Hex} }

// sha256 is the descriptor's digest, and false where it has none.
func (d descriptor) sha256() (v1.Hash, bool) {
	h, err := v1.NewHash("sha256:" + d.Digest["sha256"])
	return h, err == nil
}

// encode is json.Marshal without <, > and & escaped.
func encode(v any) ([]byte, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return []byte(strings.TrimSuffix(b.String(), "\n")), nil
}

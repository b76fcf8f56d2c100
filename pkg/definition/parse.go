package definition

import (
	"github.com/imgbuild/imgbuild/pkg/strictyaml"
)

// MaxSize is the size in bytes that an image.yaml may have.
const MaxSize = 1 << 20

// Problem is one thing wrong with a definition.
type Problem = strictyaml.Problem

// Problems is the error of Parse: all that is wrong, in the order of the file.
type Problems = strictyaml.Problems

var kind = strictyaml.Kind{
	Name: "definition", Example: "docs/definition.md",
	MaxSize: MaxSize, TooLong: "; put long contents into files of their own and use `source`",
}

// Near returns the candidates that look like got, the nearest first and at
// most three.
func Near(got string, candidates []string) []string { return strictyaml.Near(got, candidates) }

// Parse reads a definition strictly and checks all of it. source is the name
// of the file for messages. files returns the content of a file beside the
// definition, by its slash-separated relative path; Parse calls it only with
// paths that stay inside the definition's folder. The error is a Problems with
// everything that is wrong.
func Parse(source string, data []byte, files func(path string) ([]byte, error)) (*Definition, error) {
	d := &Definition{Source: source}
	r, ok := strictyaml.Decode(kind, source, data, d)
	if !ok {
		return nil, r.Err()
	}
	checker{Report: r, d: d, files: files}.definition()
	if err := r.Err(); err != nil {
		return nil, err
	}
	d.normalise()
	return d, nil
}

// normalise takes out what says the same as leaving it out, so that it is the
// same definition to Digest.
func (d *Definition) normalise() {
	for _, v := range d.Variants {
		for _, l := range v.Layers {
			if l.Debian != nil && l.Debian.Dependencies != nil && *l.Debian.Dependencies {
				l.Debian.Dependencies = nil
			}
		}
	}
}

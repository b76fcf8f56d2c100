package main

import (
	"bytes"
	"cmp"
	"fmt"
	"os"

	"github.com/imgbuild/imgbuild/pkg/address"
	"github.com/imgbuild/imgbuild/pkg/atomicfile"
	"github.com/imgbuild/imgbuild/pkg/deploy"
	"github.com/imgbuild/imgbuild/pkg/template"
)

// deployed is a function of the template, and what has become of it.
type deployed struct {
	function template.Function
	result   *deploy.Result
}

// pin writes the digests that functions have now into their templates, so that
// those say what runs. All else in the files stays.
func (d *deploying) pin(g *global, all []deployed) error {
	files, err := template.Find(d.from)
	if err != nil {
		return err
	}
	for _, file := range files {
		before, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		data := before
		var pinned []string
		for _, done := range all {
			f, name := done.function, d.called(done.function)
			if f.Image == "" {
				continue
			}
			ref, err := pinnedTo(f.Image, done.result.Image)
			if err != nil {
				return err
			}
			if data, err = template.SetImage(data, name, ref); err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			pinned = append(pinned, name+" to "+ref)
		}
		if bytes.Equal(data, before) {
			continue
		}
		if err := atomicfile.Write(file, data); err != nil {
			return fmt.Errorf("pinning: %w", err)
		}
		for _, p := range pinned {
			g.warn("%s pins %s", file, p)
		}
	}
	return nil
}

// called is what tells a function of the template from others of its name, which
// are in other regions (apart).
func (d *deploying) called(f template.Function) string {
	same := 0
	for _, other := range d.functions {
		if other.Name == f.Name {
			same++
		}
	}
	if same < 2 {
		return f.Name
	}
	return cmp.Or(f.Region, f.Service) + "/" + f.Name
}

// pinnedTo is the reference that the template has, or --image, with the digest
// that was deployed.
func pinnedTo(image, deployed string) (string, error) {
	ref, err := address.ParseReference(image)
	if err != nil {
		return "", err
	}
	now, err := address.ParseReference(deployed)
	if err != nil {
		return "", err
	}
	ref.Digest = now.Digest
	return ref.String(), nil
}

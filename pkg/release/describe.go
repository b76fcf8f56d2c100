package release

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/imgbuild/imgbuild/pkg/progress"
	"github.com/imgbuild/imgbuild/pkg/provenance"
	"github.com/imgbuild/imgbuild/pkg/sbom"
)

// description is what is inside an image. It is remembered in the store, for
// finding it out reads every file.
type description struct {
	Packages []Package `json:"packages"`
	Unpacked int64     `json:"unpacked"` // of all layers, in bytes
	// Documents are blobs of the store: the bill of materials by predicate type.
	Documents map[string]v1.Hash `json:"documents"`
}

const descriptionKind = "sbom"

// formats are the predicate types of the bills of materials that are wanted.
func (c *Config) formats() []string {
	switch c.SBOM {
	case "cyclonedx":
		return []string{provenance.CycloneDX}
	case "both":
		return []string{provenance.SPDX, provenance.CycloneDX}
	}
	return []string{provenance.SPDX}
}

// describe lists what is inside the images, as many at a time as there are cores.
func (r *Release) describe(ctx context.Context, all []*built) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(2, runtime.GOMAXPROCS(0)))
	for _, b := range all {
		b.contents = make([]*description, len(b.images))
		for i := range b.images {
			g.Go(func() (err error) {
				b.contents[i], err = r.describeOne(ctx, b, i)
				return err
			})
		}
	}
	return g.Wait()
}

func (r *Release) describeOne(ctx context.Context, b *built, i int) (*description, error) {
	inputs, err := lockedInputs(b, i)
	if err != nil {
		return nil, err
	}
	key := strings.Join([]string{b.digests[i].String(), b.Definition.Digest(), inputs, r.o.Identity}, " ")
	d := new(description)
	if ok, err := r.o.Store.Record(descriptionKind, key, d); err == nil && ok && r.complete(d) {
		return d, nil
	}
	step := progress.Start(ctx, "list what is in "+platformOf(b, i), 0)
	d, err = r.listContents(ctx, b, i)
	step.Done(err)
	if err != nil {
		return nil, err
	}
	return d, r.o.Store.PutRecord(descriptionKind, key, d)
}

// lockedInputs stands for what the lock says of an image's inputs, which the
// bill of materials repeats: it may change where the image does not.
func lockedInputs(b *built, i int) (string, error) {
	h := sha256.New()
	for _, l := range b.Platforms[i].Layers {
		inputs, err := b.Lock.FindAll(l.Inputs)
		if err != nil {
			return "", err
		}
		if err := json.NewEncoder(h).Encode(inputs); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// complete says that the store has the documents that are wanted.
func (r *Release) complete(d *description) bool {
	for _, f := range r.c.formats() {
		if _, ok := r.o.Store.Has(d.Documents[f]); !ok {
			return false
		}
	}
	return true
}

func (r *Release) listContents(ctx context.Context, b *built, i int) (*description, error) {
	opts := []sbom.Option{sbom.WithVersion(r.o.Version)}
	if r.o.Inputs != nil {
		opts = append(opts, sbom.WithInputs(r.o.Inputs))
	}
	doc, err := sbom.Of(ctx, b.images[i], b.Definition.Definition, b.Lock, b.Platforms[i], opts...)
	if err != nil {
		return nil, err
	}
	d := &description{Unpacked: doc.Unpacked, Documents: map[string]v1.Hash{}}
	for _, p := range doc.Packages[1:] { // the first is the image itself
		d.Packages = append(d.Packages, Package{Name: p.Name, Version: p.Version, PURL: p.PURL, License: p.License, Files: p.Files})
	}
	sortPackages(d.Packages)
	for _, f := range r.c.formats() {
		write := doc.SPDX
		if f == provenance.CycloneDX {
			write = doc.CycloneDX
		}
		if d.Documents[f], err = r.keep(write); err != nil {
			return nil, fmt.Errorf("writing the bill of materials of %s: %w", platformOf(b, i), err)
		}
	}
	return d, nil
}

// keep makes a blob of what write writes.
func (r *Release) keep(write func(io.Writer) error) (v1.Hash, error) {
	w, err := r.o.Store.Create()
	if err != nil {
		return v1.Hash{}, err
	}
	defer w.Discard()
	if err := write(w); err != nil {
		return v1.Hash{}, err
	}
	return w.Commit(v1.Hash{})
}

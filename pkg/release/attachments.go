package release

import (
	"fmt"
	"io"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/attach"
	"github.com/imgbuild/imgbuild/pkg/provenance"
	"github.com/imgbuild/imgbuild/pkg/sign"
)

// rightKind are the records of attachments that were looked at: manifests that
// need nothing, by what they are attached to and what is wanted of them.
const rightKind = "attachment"

// most is how many manifests are remembered for one attachment: destinations
// may have different ones.
const most = 16

func (r *Release) rightKey(a *attachment) string {
	by := "nobody"
	if r.key != nil {
		by = sign.Fingerprint(r.key.Public())
	}
	return strings.Join(append([]string{a.of.String(), a.kind, by}, r.c.formats()...), " ")
}

// knows says that what the attachment's tag names is known to be right.
func (r *Release) knows(a *attachment) bool {
	var known []v1.Hash
	ok, err := r.o.Store.Record(rightKind, r.rightKey(a), &known)
	return err == nil && ok && a.at != v1.Hash{} && slices.Contains(known, a.at)
}

// learn notes that the attachment is right as it is.
func (r *Release) learn(a *attachment) error {
	a.right = true
	var known []v1.Hash
	if _, err := r.o.Store.Record(rightKind, r.rightKey(a), &known); err != nil {
		return err
	}
	if slices.Contains(known, a.at) {
		return nil
	}
	known = append([]v1.Hash{a.at}, known...)
	return r.o.Store.PutRecord(rightKind, r.rightKey(a), known[:min(len(known), most)])
}

// material is what goes beside one image: made when a destination lacks it.
type material struct {
	source v1.Image
	layer  v1.Hash // of source
	// statements are by the digest they are attached to.
	statements map[v1.Hash][]attach.Attestation
}

// material makes what is attached to the image.
func (r *Release) material(b *built) (*material, error) {
	files, err := b.Definition.Folder(b.lockFile)
	if err != nil {
		return nil, fmt.Errorf("reading the definition of %s: %w", b, err)
	}
	m := &material{statements: map[v1.Hash][]attach.Attestation{}}
	if m.source, err = attach.SourceImage(files); err != nil {
		return nil, err
	}
	if m.layer, err = attach.SourceLayer(m.source); err != nil || r.key == nil {
		return m, err
	}
	if err := r.provenance(b, m, b.digest, -1); err != nil {
		return nil, err
	}
	for i := range b.images {
		if b.index != nil {
			if err := r.provenance(b, m, b.digests[i], i); err != nil {
				return nil, err
			}
		}
		if err := r.contents(b, m, i); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// provenance adds the statement about the image of a platform, or with -1
// about all of them.
func (r *Release) provenance(b *built, m *material, of v1.Hash, platform int) error {
	images := b.Platforms
	if platform >= 0 {
		images = images[platform : platform+1]
	}
	predicate, err := provenance.Of(provenance.Request{
		Definition: b.Definition.Definition, Lock: b.Lock, Images: images, Compression: r.o.Compression,
		Version: r.o.Version, Golang: r.o.Golang, Source: m.layer,
	})
	if err != nil {
		return fmt.Errorf("provenance of %s: %w", b, err)
	}
	return m.add(b, provenance.SLSA, predicate, of)
}

// contents adds the bills of materials of a platform. They are about the image
// that tags name, too, so that whoever asks for that one finds them.
func (r *Release) contents(b *built, m *material, i int) error {
	for _, format := range r.c.formats() {
		document, err := r.read(b.contents[i].Documents[format])
		if err != nil {
			return err
		}
		of := []v1.Hash{b.digests[i]}
		if b.index != nil {
			of = append(of, b.digest)
		}
		if err := m.add(b, format, document, of...); err != nil {
			return err
		}
	}
	return nil
}

// add makes a statement about all of the digests and attaches it to each.
func (m *material) add(b *built, predicateType string, predicate []byte, of ...v1.Hash) error {
	var subjects []provenance.Subject
	for _, h := range of {
		subjects = append(subjects, provenance.Subject{Name: b.Definition.Name, Digest: h})
	}
	statement, err := provenance.Statement(subjects, predicateType, predicate)
	if err != nil {
		return fmt.Errorf("%s: %w", b, err)
	}
	for _, h := range of {
		m.statements[h] = append(m.statements[h], attach.Attestation{PredicateType: predicateType, Statement: statement})
	}
	return nil
}

// read reads a document that the store has.
func (r *Release) read(h v1.Hash) ([]byte, error) {
	f, err := r.o.Store.Open(h)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

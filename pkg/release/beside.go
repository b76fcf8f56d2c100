package release

import (
	"bytes"
	"context"
	"crypto"
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/attach"
	"github.com/imgbuild/imgbuild/pkg/provenance"
	"github.com/imgbuild/imgbuild/pkg/push"
	"github.com/imgbuild/imgbuild/pkg/sign"
)

// beside is the work on the attachments of one image at one destination.
//
// What is there and serves stays: provenance that names another lock, from
// which the same image was built, is no less true, and a registry may refuse
// to move a tag. So a lock that moved on for another version changes nothing
// beside the images that stayed as they were.
type beside struct {
	r    *Release
	repo *attach.Repository
	s    *standing
	b    *built
	m    *material

	// sources are the layers that the image's source has.
	sources []v1.Hash
	changed int
}

// attach brings what is missing beside one image of a destination, and says
// how many attachments that were.
func (r *Release) attach(ctx context.Context, s *standing, b *built, m *material) (changed int, err error) {
	repo, err := attach.Open(r.o.Store, s.repository, r.o.Read...)
	if err != nil {
		return 0, err
	}
	w := &beside{r: r, repo: repo, s: s, b: b, m: m}
	err = w.run(ctx)
	return w.changed, err
}

func (w *beside) run(ctx context.Context) error {
	old := make([]*attach.Attachment, len(w.s.attachments))
	serves := make([]bool, len(old))
	all := true // statements serve
	for i, a := range w.s.attachments {
		var err error
		if old[i], err = w.repo.Find(ctx, a.of, a.kind); err != nil {
			return err
		}
		switch a.kind {
		case attach.Source: // the first
			w.sources, err = layersOf(ctx, old[i])
		case attach.Attestations:
			serves[i], err = w.serves(ctx, a, old[i])
			all = all && serves[i]
		}
		if err != nil {
			return err
		}
	}
	for i, a := range w.s.attachments {
		var img v1.Image
		changed := false
		var err error
		switch a.kind {
		case attach.Source:
			serves[i] = all && (w.r.key != nil || slices.Contains(w.sources, w.m.layer))
			if !serves[i] {
				img, changed, err = attach.AddSource(ctx, old[i], w.m.source)
				w.sources = append(w.sources, w.m.layer)
			}
		case attach.Attestations:
			if !serves[i] {
				img, changed, err = attach.AddAttestations(ctx, old[i], w.r.key, w.m.statements[a.of], w.same)
			}
		case attach.Signature:
			img, changed, err = attach.AddSignature(ctx, old[i], a.of, w.r.key, w.b.Definition.Name)
		}
		if err != nil {
			return fmt.Errorf("%s of %s: %w", words[a.kind], w.b, err)
		}
		if err := w.put(ctx, a, old[i], img, changed); err != nil {
			return err
		}
	}
	return nil
}

// words are the kinds of attachments for people.
var words = map[string]string{attach.Source: "source", attach.Attestations: "attestations", attach.Signature: "signature"}

// put pushes an attachment that changed, and notes that it is right now. img
// is nil where old serves.
func (w *beside) put(ctx context.Context, a *attachment, old *attach.Attachment, img v1.Image, changed bool) (err error) {
	if !changed {
		a.at = old.Digest
		return w.r.learn(a)
	}
	if a.at, err = img.Digest(); err != nil {
		return err
	}
	_, err = w.r.o.Pusher.Push(ctx, push.Request{Image: img, Repository: w.s.repository, Tags: []string{attach.Tag(a.of, a.kind)}})
	if err != nil {
		return err
	}
	w.changed++
	return w.r.learn(a)
}

// serves says that old has a statement of each type that is wanted, about the
// image and by the key, and that the source which its provenance names is there.
// A damaged one is in the way of everybody who verifies the image.
func (w *beside) serves(ctx context.Context, a *attachment, old *attach.Attachment) (bool, error) {
	missing := append(w.r.c.formats(), provenance.SLSA)
	for s, err := range old.Statements(ctx) {
		if err != nil {
			return false, err
		}
		if s.Damaged(w.r.key.Public()) {
			return false, nil
		}
		p := statementOf(s, a.of, w.r.key.Public())
		if p == nil || p.PredicateType == provenance.SLSA && !w.hasSource(p) {
			continue
		}
		missing = slices.DeleteFunc(missing, func(t string) bool { return t == p.PredicateType })
	}
	return len(missing) == 0, nil
}

// same says whether a statement that is there stays in place of a new one.
func (w *beside) same(predicateType string, old, new []byte) bool {
	if !provenance.Same(predicateType, old, new) {
		return false
	}
	p, err := provenance.ParseStatement(old)
	return err == nil && (predicateType != provenance.SLSA || w.hasSource(p))
}

// hasSource says that the source which provenance names is among those there.
func (w *beside) hasSource(p *provenance.Parsed) bool {
	predicate, err := provenance.ParsePredicate(p.Predicate)
	if err != nil {
		return false
	}
	source, ok := predicate.Source()
	return ok && slices.Contains(w.sources, source)
}

// statementOf is the statement about the image in an attestation by the key,
// nil where it is another one.
func statementOf(s attach.Statement, image v1.Hash, by crypto.PublicKey) *provenance.Parsed {
	kind, payload, err := sign.OpenEnvelope(s.Envelope, []crypto.PublicKey{by})
	if err != nil || kind != attach.PayloadType {
		return nil
	}
	p, err := provenance.ParseStatement(payload)
	if err != nil || !p.About(image) {
		return nil
	}
	return p
}

// layersOf are the digests of an attachment's layers. There may be none.
func layersOf(ctx context.Context, a *attach.Attachment) ([]v1.Hash, error) {
	if a == nil {
		return nil, nil
	}
	img, err := a.Image(ctx)
	if err != nil {
		return nil, err
	}
	raw, err := img.RawManifest()
	if err != nil {
		return nil, err
	}
	m, err := v1.ParseManifest(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	return each(m.Layers, func(d v1.Descriptor) v1.Hash { return d.Digest }), nil
}

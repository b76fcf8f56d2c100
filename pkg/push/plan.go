package push

import (
	"context"
	"errors"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/content"
)

// Action is what a push would do about a blob.
type Action string

// The actions.
const (
	Keep  Action = "keep"  // the repository has it
	Mount Action = "mount" // another repository of the host has it, as far as is remembered
	Send  Action = "send"
)

// BlobPlan is one blob of an image.
type BlobPlan struct {
	Digest v1.Hash `json:"digest"`
	Name   string  `json:"name"`
	Size   int64   `json:"size"` // in bytes
	Action Action  `json:"action"`
	// From is the repository to mount from.
	From string `json:"from,omitempty"`
}

// ImagePlan is what pushing one image would do.
type ImagePlan struct {
	Reference string `json:"reference"`
	// Tags are those that would move; none and no Blobs: nothing would be done.
	Tags []string `json:"tags,omitempty"`
	// Kept are immutable tags that name another image and would stay. Where
	// Refused is set these are all, and the push would be a *KeptError.
	Kept    []string   `json:"kept,omitempty"`
	Refused bool       `json:"refused,omitempty"`
	Blobs   []BlobPlan `json:"blobs,omitempty"`
	// Requests is how many a push would make when nothing fails, without those
	// for tokens.
	Requests int `json:"requests"`
}

// Bytes is how many bytes of blobs would be sent.
func (p ImagePlan) Bytes() (n int64) {
	for _, b := range p.Blobs {
		if b.Action == Send {
			n += b.Size
		}
	}
	return n
}

// DestinationPlan is what pushing to one registry would do.
type DestinationPlan struct {
	Name   string      `json:"name"`
	Images []ImagePlan `json:"images"`
}

// Plan asks the registries what they have, and says what PushAll would do. It
// sends nothing. Blobs that several images of one registry share are sent with
// the first of them, and mounted for the others.
func (p *Pusher) Plan(ctx context.Context, ds []Destination) ([]DestinationPlan, error) {
	plans := make([]DestinationPlan, len(ds))
	errs := make([]error, len(ds))
	var all sync.WaitGroup
	for i, d := range ds {
		all.Go(func() { plans[i], errs[i] = p.planFor(ctx, d) })
	}
	all.Wait()
	return plans, firstOf(errs)
}

func (p *Pusher) planFor(ctx context.Context, d Destination) (DestinationPlan, error) {
	plan := DestinationPlan{Name: d.Name}
	found := make([]*found, len(d.Images))
	errs := make([]error, len(d.Images))
	var all sync.WaitGroup
	for i, r := range d.Images {
		all.Go(func() {
			var err error
			if found[i], err = p.find(ctx, r); err != nil {
				errs[i] = explain(r.Repository, err)
			}
		})
	}
	all.Wait()
	if err := firstOf(errs); err != nil {
		return plan, err
	}
	planned := map[v1.Hash]string{} // where the images before would put blobs
	for i, r := range d.Images {
		plan.Images = append(plan.Images, p.planImage(r, found[i], planned))
	}
	return plan, nil
}

// found is what a registry has of an image.
type found struct {
	content *content.Content
	repo    *repository
	tags    *tags
	there   bool   // the root manifest
	has     []bool // of the content's blobs; empty where the manifest is there
}

func (p *Pusher) find(ctx context.Context, r Request) (*found, error) {
	f := &found{}
	var err error
	if f.content, f.repo, err = p.prepare(r); err != nil {
		return nil, err
	}
	f.tags, f.there, err = f.repo.standing(ctx, f.content.Root(), r)
	if err != nil || f.there {
		if _, refused := errors.AsType[*KeptError](err); refused {
			return f, nil
		}
		return f, err
	}
	f.has = make([]bool, len(f.content.Blobs))
	blobs := make([]int, len(f.has))
	for i := range blobs {
		blobs[i] = i
	}
	return f, each(ctx, blobs, func(ctx context.Context, i int) error {
		has, err := retry(ctx, p.o, func() (bool, error) { return f.repo.hasBlob(ctx, f.content.Blobs[i].Digest) })
		f.has[i] = has
		return err
	})
}

func (p *Pusher) planImage(r Request, f *found, planned map[v1.Hash]string) ImagePlan {
	plan := ImagePlan{
		Reference: r.Reference(f.content.Root().Digest, f.tags.kept), Tags: f.tags.move, Kept: f.tags.kept,
		Refused: f.tags.error() != nil, Requests: f.tags.all,
	}
	if plan.Refused {
		return plan
	}
	// Only where no tag is right is the manifest asked for.
	if len(f.tags.move)+len(f.tags.kept) == f.tags.all {
		plan.Requests++
	}
	if f.there && len(plan.Tags) == 0 {
		return plan
	}
	// It is read back; a tag is set and read back.
	plan.Requests += 1 + 2*len(plan.Tags)
	if f.there {
		return plan
	}
	plan.Requests += len(f.content.Manifests)
	for i, b := range f.content.Blobs {
		bp := p.planBlob(f.repo, b, f.has[i], planned)
		plan.Blobs = append(plan.Blobs, bp)
		plan.Requests += p.requests(bp)
		if bp.Action != Keep {
			planned[b.Digest] = f.repo.at.Path
		}
	}
	return plan
}

func (p *Pusher) planBlob(repo *repository, b content.Blob, has bool, planned map[v1.Hash]string) BlobPlan {
	plan := BlobPlan{Digest: b.Digest, Name: b.Name, Size: b.Size, Action: Send}
	from := p.o.memory.Where(memoryHost(repo), b.Digest)
	switch {
	case has:
		plan.Action = Keep
	case planned[b.Digest] != "":
		plan.Action, plan.From = Mount, planned[b.Digest]
	case len(from) > 0 && from[0] != repo.at.Path:
		plan.Action, plan.From = Mount, from[0]
	}
	return plan
}

// requests is how many a blob takes: HEAD, and POST to mount, or POST, PATCH
// for each chunk and PUT.
func (p *Pusher) requests(b BlobPlan) int {
	switch {
	case b.Action == Keep:
		return 1
	case b.Action == Mount:
		return 2
	case !p.o.inChunks(b.Size):
		return 3
	}
	return 3 + int((b.Size+p.o.chunk-1)/p.o.chunk)
}

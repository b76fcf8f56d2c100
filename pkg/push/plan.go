package push

import (
	"context"
	"fmt"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/address"
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
	Tags  []string   `json:"tags,omitempty"`
	Blobs []BlobPlan `json:"blobs,omitempty"`
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
	planned := map[v1.Hash]string{} // where the images before would put blobs
	for _, r := range d.Images {
		image, err := p.planImage(ctx, r, planned)
		if err != nil {
			return plan, explain(r.Repository, err)
		}
		plan.Images = append(plan.Images, image)
	}
	return plan, nil
}

func (p *Pusher) planImage(ctx context.Context, r Request, planned map[v1.Hash]string) (ImagePlan, error) {
	for _, t := range r.Tags {
		if err := address.CheckTag(t); err != nil {
			return ImagePlan{}, err
		}
	}
	c, err := content.Of(r.Image, r.Index)
	if err != nil {
		return ImagePlan{}, fmt.Errorf("reading the image: %w", err)
	}
	repo := &repository{host: p.host(r.Repository.Host), at: r.Repository}
	root := c.Root()
	plan := ImagePlan{Reference: reference(r, root.Digest), Requests: len(r.Tags)}
	if plan.Tags, err = p.tagsToMove(ctx, repo, root, r.Tags); err != nil {
		return plan, err
	}
	if len(plan.Tags) == 0 && len(r.Tags) > 0 {
		return plan, nil
	}
	// The manifest is asked for and read back; a tag is set and read back.
	plan.Requests += 2 + 2*len(plan.Tags)
	there, err := repo.hasManifest(ctx, root.Digest)
	if err != nil || there {
		return plan, err
	}
	plan.Requests += len(c.Manifests)
	for _, b := range c.Blobs {
		bp, err := p.planBlob(ctx, repo, b, planned)
		if err != nil {
			return plan, err
		}
		plan.Blobs = append(plan.Blobs, bp)
		plan.Requests += p.requests(bp)
		if bp.Action != Keep {
			planned[b.Digest] = repo.at.Path
		}
	}
	return plan, nil
}

func (p *Pusher) planBlob(ctx context.Context, repo *repository, b content.Blob, planned map[v1.Hash]string) (BlobPlan, error) {
	plan := BlobPlan{Digest: b.Digest, Name: b.Name, Size: b.Size, Action: Send}
	has, err := retry(ctx, p.o, func() (bool, error) { return repo.hasBlob(ctx, b.Digest) })
	if err != nil {
		return plan, err
	}
	from := p.o.memory.Where(memoryHost(repo), b.Digest)
	switch {
	case has:
		plan.Action = Keep
	case planned[b.Digest] != "":
		plan.Action, plan.From = Mount, planned[b.Digest]
	case len(from) > 0 && from[0] != repo.at.Path:
		plan.Action, plan.From = Mount, from[0]
	}
	return plan, nil
}

// requests is how many a blob takes: HEAD, and POST to mount, or POST, PATCH
// for each chunk and PUT.
func (p *Pusher) requests(b BlobPlan) int {
	switch {
	case b.Action == Keep:
		return 1
	case b.Action == Mount:
		return 2
	case b.Size <= wholePut:
		return 3
	}
	return 3 + int((b.Size+p.o.chunk-1)/p.o.chunk)
}

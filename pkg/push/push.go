// Package push sends images to registries, whole or not at all: what a
// registry has is asked first, blobs it lacks are mounted from a repository
// beside it or sent, then manifests, and tags last of all; then everything is
// read back and compared.
//
// The protocol is the OCI distribution specification, version 1.1.
package push

import (
	"context"
	"fmt"
	"slices"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/address"
	"github.com/imgbuild/imgbuild/pkg/content"
	"github.com/imgbuild/imgbuild/pkg/progress"
)

// Pusher pushes images. It keeps one pool of connections and slots for each
// host, and what it learned about blobs, for all its pushes; it is safe for
// concurrent use, and images that share layers are best pushed at once by one.
type Pusher struct {
	o *options

	mu     sync.Mutex
	hosts  map[string]*host
	flight flight
}

// New returns a Pusher.
func New(opts ...Option) (*Pusher, error) {
	o, err := newOptions(opts)
	if err != nil {
		return nil, err
	}
	return &Pusher{o: o, hosts: map[string]*host{}}, nil
}

// Request is one image and where it goes.
type Request struct {
	// Exactly one of Image and Index is set.
	Image v1.Image
	Index v1.ImageIndex

	Repository address.Repository
	// Tags are moved to the image after all of its content is there, in any
	// order. None: the image is pushed by digest only.
	Tags []string
}

// Result says what a push did.
type Result struct {
	// Reference is NAME[:TAG]@DIGEST with the first tag.
	Reference string
	Digest    v1.Hash
	// Unchanged: all was there, tags too, and nothing was sent.
	Unchanged bool
	// The image's blobs, by what was done about each. All are zero where the
	// registry had the manifest, for then it has the blobs too.
	Sent, Mounted, Existing int
	// SentBytes counts bytes of Sent blobs, once each.
	SentBytes int64
}

// Push sends one image. Its error is in plain words and names the repository.
func (p *Pusher) Push(ctx context.Context, r Request) (Result, error) {
	res, err := p.push(ctx, r)
	if err != nil {
		return Result{}, explain(r.Repository, err)
	}
	return res, nil
}

func (p *Pusher) push(ctx context.Context, r Request) (Result, error) {
	for _, t := range r.Tags {
		if err := address.CheckTag(t); err != nil {
			return Result{}, err
		}
	}
	c, err := content.Of(r.Image, r.Index)
	if err != nil {
		return Result{}, fmt.Errorf("reading the image: %w", err)
	}
	repo := &repository{host: p.host(r.Repository.Host), at: r.Repository}
	root := c.Root()
	res := Result{Digest: root.Digest, Reference: reference(r, root.Digest)}

	step := progress.Start(ctx, "check "+r.Repository.Name(), 0)
	moved, err := p.tagsToMove(ctx, repo, root, r.Tags)
	there := err == nil && len(moved) == 0 && len(r.Tags) > 0
	if err == nil && !there {
		there, err = repo.hasManifest(ctx, root.Digest)
	}
	if err == nil && there && len(moved) == 0 {
		res.Unchanged = true
		step.Cached()
	}
	step.Done(err)
	if err != nil || res.Unchanged {
		return res, err
	}

	if !there {
		if err := p.placeBlobs(ctx, repo, c.Blobs, &res); err != nil {
			return res, err
		}
		for _, m := range c.Manifests {
			if err := repo.putManifest(ctx, m, m.Digest.String()); err != nil {
				return res, fmt.Errorf("sending manifest %s: %w", m.Digest, err)
			}
		}
	}
	// No tag points to what has not been read back.
	if err := repo.readBack(ctx, root); err != nil {
		return res, err
	}
	err = each(ctx, moved, func(ctx context.Context, tag string) error {
		if err := repo.putManifest(ctx, root, tag); err != nil {
			return fmt.Errorf("moving tag %s: %w", tag, err)
		}
		return repo.checkTag(ctx, tag, root)
	})
	return res, err
}

// tagsToMove returns the tags that do not point to the manifest yet.
func (p *Pusher) tagsToMove(ctx context.Context, repo *repository, m content.Manifest, tags []string) ([]string, error) {
	tags = slices.Compact(slices.Sorted(slices.Values(tags)))
	var mu sync.Mutex
	var moved []string
	err := each(ctx, tags, func(ctx context.Context, tag string) error {
		got, err := repo.resolve(ctx, tag)
		if err == nil && got != m.Digest {
			mu.Lock()
			moved = append(moved, tag)
			mu.Unlock()
		}
		return err
	})
	slices.Sort(moved)
	return moved, err
}

func (p *Pusher) placeBlobs(ctx context.Context, repo *repository, blobs []content.Blob, res *Result) error {
	var mu sync.Mutex
	return each(ctx, blobs, func(ctx context.Context, b content.Blob) error {
		how, err := p.place(ctx, repo, b)
		if err != nil {
			return fmt.Errorf("sending %s (%s): %w", b.Name, b.Digest, err)
		}
		mu.Lock()
		defer mu.Unlock()
		switch how {
		case sent:
			res.Sent++
			res.SentBytes += b.Size
		case mounted:
			res.Mounted++
		case existing:
			res.Existing++
		}
		return nil
	})
}

func (p *Pusher) host(name string) *host {
	p.mu.Lock()
	defer p.mu.Unlock()
	h, ok := p.hosts[name]
	if !ok {
		h = newHost(name, p.o)
		p.hosts[name] = h
	}
	return h
}

func reference(r Request, digest v1.Hash) string {
	name := r.Repository.Name()
	if len(r.Tags) > 0 {
		name += ":" + r.Tags[0]
	}
	return name + "@" + digest.String()
}

// each runs f for all items at once; requests wait for the host's slots, not
// here. One item's failure lets the others end, for what they have sent is
// kept, unless it would be theirs too.
func each[T any](ctx context.Context, items []T, f func(context.Context, T) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, len(items))
	var wg sync.WaitGroup
	for i, item := range items {
		wg.Go(func() {
			errs[i] = f(ctx, item)
			if hopeless(errs[i]) {
				cancel()
			}
		})
	}
	wg.Wait()
	return firstOf(errs)
}

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
	// Immutable are those of Tags that do not move: where one names another
	// image it stays. A push that another one overtakes between question and
	// move is not told from it, but each tag is read back after its move.
	Immutable []string
}

// Result says what a push did.
type Result struct {
	// Reference is NAME[:TAG]@DIGEST with the first tag that is not kept.
	Reference string
	Digest    v1.Hash
	// Kept are immutable tags that name another image and were left, sorted.
	Kept []string
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
	c, repo, err := p.prepare(r)
	if err != nil {
		return Result{}, err
	}
	root := c.Root()
	res := Result{Digest: root.Digest}

	step := progress.Start(ctx, "check "+r.Repository.Name(), 0)
	tags, there, err := repo.standing(ctx, root, r)
	if err == nil && there && len(tags.move) == 0 {
		res.Unchanged = true
		step.Cached()
	}
	step.Done(err)
	if err != nil {
		return res, err
	}
	res.Kept, res.Reference = tags.kept, r.Reference(root.Digest, tags.kept)
	if res.Unchanged {
		return res, nil
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
	err = each(ctx, tags.move, func(ctx context.Context, tag string) error {
		if err := repo.putManifest(ctx, root, tag); err != nil {
			return fmt.Errorf("moving tag %s: %w", tag, err)
		}
		return repo.checkTag(ctx, tag, root)
	})
	return res, err
}

// prepare checks a request and lists what it has to bring.
func (p *Pusher) prepare(r Request) (*content.Content, *repository, error) {
	for _, t := range r.Tags {
		if err := address.CheckTag(t); err != nil {
			return nil, nil, err
		}
	}
	c, err := content.Of(r.Image, r.Index)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the image: %w", err)
	}
	return c, &repository{host: p.host(r.Repository.Host), at: r.Repository}, nil
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

// Reference is NAME[:TAG]@DIGEST with the first tag that is not kept.
func (r Request) Reference(digest v1.Hash, kept []string) string {
	name := r.Repository.Name()
	if i := slices.IndexFunc(r.Tags, func(t string) bool { return !slices.Contains(kept, t) }); i >= 0 {
		name += ":" + r.Tags[i]
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

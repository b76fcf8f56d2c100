package push

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/internal/lazyregexp"
	"github.com/imgbuild/imgbuild/pkg/content"
)

// Immutability says which tags never move from one digest to another.
type Immutability string

// The immutabilities. ImmutableVersions are tags that name a full version.
const (
	ImmutableVersions Immutability = "versions"
	ImmutableAll      Immutability = "all"
	ImmutableNone     Immutability = "none"
)

// ParseImmutability reads "versions", "all" or "none".
func ParseImmutability(s string) (Immutability, error) {
	switch i := Immutability(s); i {
	case ImmutableVersions, ImmutableAll, ImmutableNone:
		return i, nil
	}
	return "", fmt.Errorf("immutable %q: write versions (tags such as 1.27.3), all or none", s)
}

// Of returns those of the tags that do not move.
func (i Immutability) Of(tags []string) []string {
	switch i {
	case ImmutableAll:
		return slices.Clone(tags)
	case ImmutableVersions:
		return slices.DeleteFunc(slices.Clone(tags), func(t string) bool { return !FullVersion(t) })
	}
	return nil
}

// fullVersion is three numbers with dots at least.
var fullVersion = lazyregexp.New(`^v?[0-9]+\.[0-9]+\.[0-9]+`)

// FullVersion says whether a tag names a full version and so, by custom, one
// image for good: 1.27.3, v1.27.3, 1.27.3-slim; not 1.27, which moves on to the
// next patch. What is copied has nothing but its tags, so their text decides.
func FullVersion(tag string) bool { return fullVersion().MatchString(tag) }

// KeptError says that an image got no tag, for each is immutable and names
// another image. Nothing was sent.
type KeptError struct {
	Tags []string
	At   []v1.Hash // what each of Tags names
}

func (e *KeptError) Error() string {
	var at []string
	for i, t := range e.Tags {
		at = append(at, fmt.Sprintf("%s is %s", t, e.At[i]))
	}
	return fmt.Sprintf("every tag of this image already names another one and does not move (%s); nothing was sent; to move them, add --immutable none",
		strings.Join(at, ", "))
}

// tags is where the tags of a request stand, each sorted.
type tags struct {
	move []string // name nothing, or another image
	kept []string // immutable, and name another image
	at   []v1.Hash
	all  int // different ones in the request
}

// error is a *KeptError where no tag is to be had.
func (t *tags) error() error {
	if t.all > 0 && len(t.kept) == t.all {
		return &KeptError{Tags: t.kept, At: t.at}
	}
	return nil
}

// tags asks where each tag of the request points to: one request a tag.
func (r *repository) tags(ctx context.Context, root content.Manifest, rq Request) (*tags, error) {
	names := slices.Compact(slices.Sorted(slices.Values(rq.Tags)))
	points := make(map[string]v1.Hash, len(names))
	var mu sync.Mutex
	err := each(ctx, names, func(ctx context.Context, tag string) error {
		got, err := r.resolve(ctx, tag)
		mu.Lock()
		defer mu.Unlock()
		points[tag] = got
		return err
	})
	if err != nil {
		return nil, err
	}
	t := &tags{all: len(names)}
	for _, name := range names {
		switch at := points[name]; {
		case at == root.Digest:
		case at != v1.Hash{} && slices.Contains(rq.Immutable, name):
			t.kept, t.at = append(t.kept, name), append(t.at, at)
		default:
			t.move = append(t.move, name)
		}
	}
	return t, nil
}

// standing asks what the repository has of the request: where its tags point
// to, and whether the root manifest is there. A tag that is right says so.
func (r *repository) standing(ctx context.Context, root content.Manifest, rq Request) (*tags, bool, error) {
	t, err := r.tags(ctx, root, rq)
	if err != nil {
		return nil, false, err
	}
	if err := t.error(); err != nil {
		return t, false, err
	}
	if len(t.move)+len(t.kept) < t.all {
		return t, true, nil
	}
	there, err := r.hasManifest(ctx, root.Digest)
	return t, there, err
}

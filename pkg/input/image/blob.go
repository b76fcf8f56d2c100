package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/imgbuild/imgbuild/pkg/progress"
	"github.com/imgbuild/imgbuild/pkg/store"
	"github.com/imgbuild/imgbuild/pkg/stream"
)

// pull downloads one blob. It goes on where an earlier try or an earlier run of
// the program was cut off (OCI distribution specification, "Pulling blobs": a
// registry may support Range; one that does not sends all of it again).
type pull struct {
	p    *puller
	ref  name.Digest
	want v1.Descriptor
	part *store.Partial
	// pieces is how many answers the partial blob is from.
	pieces int
	step   progress.Step
	shown  int64 // bytes the step has been told of: the most there ever were
}

func (p *puller) pull(ctx context.Context, ref name.Digest, d v1.Descriptor) (err error) {
	step := progress.Start(ctx, "pull "+ref.Name(), d.Size)
	defer func() { step.Done(err) }()
	part, err := p.store.Partial(ctx, d.Digest.Hex)
	if err != nil {
		return err
	}
	defer part.Close()
	// The lock was perhaps waited for while its holder pulled the same.
	if p.has(d) {
		part.Discard()
		step.Cached()
		return nil
	}
	b := &pull{p: p, ref: ref, want: d, part: part, step: step}
	if err := b.whole(ctx); err != nil {
		return p.explain(ref, err)
	}
	_, err = part.Commit(d.Digest)
	return err
}

// whole ends with all bytes of the blob in the partial one.
func (b *pull) whole(ctx context.Context) error {
	for again := false; ; again = true {
		b.pieces = 0
		if b.part.Size() > 0 {
			b.pieces = 2 // of an earlier run, nobody knows how many
		}
		if b.part.Size() < b.want.Size || b.pieces == 0 {
			if err := b.p.retry(ctx, b.once); err != nil {
				return err
			}
		}
		got := b.part.Hash()
		if got == b.want.Digest && b.part.Size() == b.want.Size {
			return nil
		}
		if err := b.part.Reset(); err != nil {
			return err
		}
		// Pieces of several answers may not go together, or be of another run.
		if b.pieces < 2 || again {
			return fmt.Errorf("the registry sends something else: expected %s, got %s", b.want.Digest, got)
		}
	}
}

// once sends one request and takes what it brings.
func (b *pull) once(ctx context.Context, _ *connection, alive func()) error {
	client, err := b.p.clients.get(ctx, b.p, b.ref.Context())
	if err != nil {
		return err
	}
	err = b.ask(ctx, client, alive)
	if err != nil {
		b.p.clients.forget(b.ref.Context())
	}
	return err
}

func (b *pull) ask(ctx context.Context, client *http.Client, alive func()) error {
	repo, offset := b.ref.Context(), b.part.Size()
	u := url.URL{Scheme: repo.Scheme(), Host: repo.RegistryStr(), Path: "/v2/" + repo.RepositoryStr() + "/blobs/" + b.want.Digest.String()}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return err
	}
	// The digest is over the blob itself, not over an encoding of it.
	req.Header.Set("Accept-Encoding", "identity")
	if offset > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	}
	resp, err := client.Do(req)
	if err != nil {
		return withoutURL(err)
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusPartialContent:
		if offset == 0 || !continues(resp.Header, offset, b.want.Size) {
			return errors.Join(errors.New("the registry sent another range than it was asked for"), b.part.Reset())
		}
	case http.StatusOK:
		b.pieces = 0
		if err := b.part.Reset(); err != nil {
			return err
		}
		if n := resp.ContentLength; n >= 0 && n < b.want.Size {
			return fmt.Errorf("the registry announces %d bytes where the manifest states %d", n, b.want.Size)
		}
	case http.StatusRequestedRangeNotSatisfiable:
		return errors.Join(errors.New("the registry refused to resume"), b.part.Reset())
	default:
		return transport.CheckError(resp, http.StatusOK)
	}
	b.pieces++
	return b.take(resp.Body, alive)
}

// take appends what comes to the partial blob.
func (b *pull) take(r io.Reader, alive func()) error {
	tooBig := fatal{fmt.Errorf("the registry sends more than the %d bytes that the manifest states", b.want.Size)}
	body := stream.Limit(r, b.want.Size-b.part.Size(), tooBig)
	buf := make([]byte, 64<<10)
	for {
		n, err := body.Read(buf)
		if _, werr := b.part.Write(buf[:n]); werr != nil {
			return fatal{werr}
		}
		if n > 0 {
			alive()
		}
		if more := b.part.Size() - b.shown; more > 0 {
			b.step.Add(more)
			b.shown += more
		}
		switch {
		case errors.As(err, new(fatal)):
			return errors.Join(err, b.part.Reset())
		case err == io.EOF && b.part.Size() < b.want.Size:
			return io.ErrUnexpectedEOF
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

// continues says whether an answer goes on at offset of a blob of that size
// (RFC 9110 section 14.4).
func continues(h http.Header, offset, size int64) bool {
	span, ok := strings.CutPrefix(h.Get("Content-Range"), "bytes ")
	span, total, ok2 := strings.Cut(span, "/")
	first, _, ok3 := strings.Cut(span, "-")
	n, err := strconv.ParseInt(first, 10, 64)
	return ok && ok2 && ok3 && err == nil && n == offset && (total == "*" || total == strconv.FormatInt(size, 10))
}

// clients are logged in, one a repository. The zero value is ready.
type clients struct {
	mu sync.Mutex
	of map[name.Repository]*http.Client
}

func (c *clients) get(ctx context.Context, p *puller, repo name.Repository) (*http.Client, error) {
	c.mu.Lock()
	client := c.of[repo]
	c.mu.Unlock()
	if client != nil {
		return client, nil
	}
	auth, err := authn.Resolve(ctx, p.keychain, repo)
	if err != nil {
		return nil, err
	}
	rt, err := transport.NewWithContext(ctx, repo.Registry, auth, guarded{p.transport}, []string{repo.Scope(transport.PullScope)})
	if err != nil {
		return nil, err
	}
	client = &http.Client{Transport: rt, CheckRedirect: checkRedirect}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil {
		c.of = map[name.Repository]*http.Client{}
	}
	c.of[repo] = client
	return client, nil
}

// forget makes the next request log in anew.
func (c *clients) forget(repo name.Repository) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.of, repo)
}

// checkRedirect follows registries that keep their blobs elsewhere, but never
// from a host's name to an address inside this network, where a cloud's
// metadata is; the library's own client does the same.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return fatal{errors.New("the registry redirects more than 10 times")}
	}
	from, to := via[0].URL.Hostname(), req.URL.Hostname()
	a, err := netip.ParseAddr(to)
	if err != nil || from == to {
		return nil
	}
	if a = a.Unmap(); a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsUnspecified() {
		return fatal{fmt.Errorf("the registry redirects to %s, an address of this network, which is refused", to)}
	}
	return nil
}

// withoutURL is the reason alone: a storage's URL has a signature in it.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// fatal is an error that asking again does not change.
type fatal struct{ error }

func (f fatal) Unwrap() error { return f.error }

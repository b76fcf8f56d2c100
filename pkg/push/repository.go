package push

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/imgbuild/imgbuild/pkg/address"
	"github.com/imgbuild/imgbuild/pkg/content"
)

// maxManifest is the largest manifest a registry must take (OCI distribution
// specification, "Pushing manifests"): 4 MiB.
const maxManifest = 4 << 20

var acceptManifests = []string{
	string(types.OCIManifestSchema1), string(types.OCIImageIndex),
	string(types.DockerManifestSchema2), string(types.DockerManifestList),
}

// repository speaks about one repository of a host.
type repository struct {
	host *host
	at   address.Repository
}

func (r *repository) path(kind, name string) string {
	return "/v2/" + r.at.Path + "/" + kind + "/" + name
}

func (r *repository) scopes() []string { return []string{"repository:" + r.at.Path + ":pull,push"} }

func (r *repository) request(method, kind, name string, ok ...int) *request {
	return &request{method: method, path: r.path(kind, name), scopes: r.scopes(), ok: ok}
}

func (r *repository) manifestRequest(method, ref string, ok ...int) *request {
	rq := r.request(method, "manifests", ref, ok...)
	rq.header = http.Header{"Accept": acceptManifests}
	rq.limit, rq.small = maxManifest, true
	return rq
}

// resolve returns the digest that a tag points to, the zero Hash where the
// tag, or the repository, does not exist.
func (r *repository) resolve(ctx context.Context, ref string) (v1.Hash, error) {
	return retry(ctx, r.host.o, func() (v1.Hash, error) {
		res, err := r.host.do(ctx, r.manifestRequest(http.MethodHead, ref, http.StatusOK, http.StatusNotFound))
		if err != nil || res.status == http.StatusNotFound {
			return v1.Hash{}, err
		}
		if h, err := v1.NewHash(res.header.Get("Docker-Content-Digest")); err == nil {
			return h, nil
		}
		// The header is optional: without it only the content says.
		res, err = r.host.do(ctx, r.manifestRequest(http.MethodGet, ref, http.StatusOK, http.StatusNotFound))
		if err != nil || res.status == http.StatusNotFound {
			return v1.Hash{}, err
		}
		h, _, err := v1.SHA256(bytes.NewReader(res.body))
		return h, err
	})
}

func (r *repository) hasManifest(ctx context.Context, digest v1.Hash) (bool, error) {
	if r.host.wasReadBack(r.at.Path, digest) {
		return true, nil
	}
	return retry(ctx, r.host.o, func() (bool, error) {
		res, err := r.host.do(ctx, r.manifestRequest(http.MethodHead, digest.String(), http.StatusOK, http.StatusNotFound))
		return err == nil && res.status == http.StatusOK, err
	})
}

// hasBlob asks once.
func (r *repository) hasBlob(ctx context.Context, digest v1.Hash) (bool, error) {
	res, err := r.host.do(ctx, r.request(http.MethodHead, "blobs", digest.String(), http.StatusOK, http.StatusNotFound))
	return err == nil && res.status == http.StatusOK, err
}

func (r *repository) putManifest(ctx context.Context, m content.Manifest, ref string) error {
	if len(m.Raw) > maxManifest {
		return fmt.Errorf("the manifest has %d bytes; registries take up to %d", len(m.Raw), maxManifest)
	}
	_, err := retry(ctx, r.host.o, func() (*response, error) {
		rq := r.request(http.MethodPut, "manifests", ref, http.StatusCreated, http.StatusOK, http.StatusAccepted)
		rq.header, rq.small = http.Header{"Content-Type": {string(m.MediaType)}}, true
		rq.size = int64(len(m.Raw))
		rq.open = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(m.Raw)), nil }
		res, err := r.host.do(ctx, rq)
		if err == nil {
			err = sameDigest(res, m.Digest)
		}
		return res, err
	})
	return err
}

// readBack fetches the manifest by digest and compares every byte, once for all
// pushes of a Pusher.
func (r *repository) readBack(ctx context.Context, m content.Manifest) error {
	if r.host.wasReadBack(r.at.Path, m.Digest) {
		return nil
	}
	res, err := retry(ctx, r.host.o, func() (*response, error) {
		return r.host.do(ctx, r.manifestRequest(http.MethodGet, m.Digest.String(), http.StatusOK))
	})
	if err != nil {
		return fmt.Errorf("reading %s back: %w", m.Digest, err)
	}
	if !bytes.Equal(res.body, m.Raw) {
		return fmt.Errorf("reading %s back: the registry gives another manifest than it was sent (%d bytes for %d)", m.Digest, len(res.body), len(m.Raw))
	}
	r.host.readBack.Store(r.at.Path+"@"+m.Digest.String(), true)
	return nil
}

// checkTag says whether the tag points to what it was just moved to.
func (r *repository) checkTag(ctx context.Context, tag string, m content.Manifest) error {
	got, err := r.resolve(ctx, tag)
	switch {
	case err != nil:
		return fmt.Errorf("reading tag %s back: %w", tag, err)
	case got == v1.Hash{}:
		return fmt.Errorf("reading tag %s back: the registry took the tag but does not have it", tag)
	case got != m.Digest:
		return fmt.Errorf("reading tag %s back: it points to %s, not to %s; somebody else moved it, or the registry changed the manifest", tag, got, m.Digest)
	}
	return nil
}

// sameDigest compares the digest a registry reports with ours; it is an
// optional header.
func sameDigest(res *response, want v1.Hash) error {
	if got := res.header.Get("Docker-Content-Digest"); got != "" && got != want.String() {
		return fmt.Errorf("the registry stored %s where %s was sent", cut(got), want)
	}
	return nil
}

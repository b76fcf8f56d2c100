package push

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/imgbuild/imgbuild/pkg/content"
)

// wholePut is up to which size in bytes a blob goes in the closing PUT, which
// saves a round trip. Larger ones are streamed by PATCH, which registries
// write to where they can go on later.
const wholePut = 256 << 10

// commitRate is how many bytes a second a registry is trusted to hash and move
// when an upload closes; meanwhile nothing is heard of it.
const commitRate = 20 << 20

// upload is one try to send a blob: POST, PATCH, PUT.
type upload struct {
	repo     *repository
	blob     content.Blob
	meter    *meter
	location *url.URL // where the registry wants the next request
}

func (u *upload) run(ctx context.Context) error {
	if u.location == nil {
		res, err := u.repo.host.do(ctx, u.repo.request(http.MethodPost, "blobs", "uploads/", http.StatusAccepted))
		if err != nil {
			return err
		}
		if err := u.moved(res); err != nil {
			return err
		}
	}
	if u.blob.Size > wholePut {
		rq := u.request(http.MethodPatch, http.StatusAccepted, http.StatusNoContent, http.StatusCreated)
		u.carry(rq)
		res, err := u.repo.host.do(ctx, rq)
		if err != nil {
			return err
		}
		if err := u.moved(res); err != nil {
			return err
		}
	}
	return u.close(ctx)
}

// close ends the upload, with the content where it is small.
func (u *upload) close(ctx context.Context) error {
	rq := u.request(http.MethodPut, http.StatusCreated, http.StatusNoContent, http.StatusOK)
	// Added as text: encoding the query anew could change what the registry
	// put there.
	at := *u.location
	if at.RawQuery != "" {
		at.RawQuery += "&"
	}
	at.RawQuery += "digest=" + url.QueryEscape(u.blob.Digest.String())
	rq.url = &at
	rq.extra = time.Duration(u.blob.Size/commitRate) * time.Second
	if u.blob.Size <= wholePut {
		u.carry(rq)
	}
	res, err := u.repo.host.do(ctx, rq)
	if err != nil {
		return err
	}
	return sameDigest(res, u.blob.Digest)
}

func (u *upload) request(method string, ok ...int) *request {
	return &request{method: method, url: u.location, scopes: u.repo.scopes(), ok: ok}
}

// carry makes rq bring the blob, from its source's beginning on every try.
func (u *upload) carry(rq *request) {
	rq.header = http.Header{"Content-Type": {"application/octet-stream"}}
	rq.size = u.blob.Size
	rq.read = u.meter.try()
	rq.open = func() (io.ReadCloser, error) {
		rc, err := u.blob.Open()
		if err != nil {
			return nil, err
		}
		return &exact{rc: rc, left: u.blob.Size}, nil
	}
}

// moved follows the Location of an answer: absolute, or relative to where the
// request went.
func (u *upload) moved(res *response) error {
	text := res.header.Get("Location")
	if text == "" {
		if u.location != nil {
			return nil // only the first one is a must
		}
		return errors.New("the registry began an upload and did not say where (no Location)")
	}
	to, err := res.url.Parse(text)
	if err != nil || to.Host == "" || to.Scheme != "http" && to.Scheme != "https" {
		return errors.New("the registry began an upload at a location that is not a URL")
	}
	h := u.repo.host
	if h.scheme() == "https" && to.Scheme == "http" {
		// A proxy in front ends TLS, and the registry behind does not know.
		if name, _, _ := strings.Cut(to.Host, ":"); !strings.EqualFold(name, (&url.URL{Host: h.name}).Hostname()) {
			return fmt.Errorf("the registry wants the upload to go to %s, without TLS, which is refused", plainURL(to))
		}
		to.Scheme, to.Host = "https", h.name
	}
	to.Fragment, to.User = "", nil
	u.location = to
	return nil
}

// refused says that the registry, or its token service, understood and does
// not allow.
func refused(err error) bool {
	if _, ok := errors.AsType[*credentialsError](err); ok {
		return true
	}
	e, ok := errors.AsType[*Error](err)
	return ok && (e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden)
}

// exact gives exactly as many bytes as the descriptor says: a source that is
// longer or shorter is damaged, and sending it again would not help.
type exact struct {
	rc   io.ReadCloser
	left int64
}

func (e *exact) Read(p []byte) (int, error) {
	if e.left > 0 {
		n, err := e.rc.Read(p[:min(int64(len(p)), e.left)])
		e.left -= int64(n)
		switch {
		case err == io.EOF && e.left > 0:
			return n, errors.New("it is shorter than its size says")
		case err == io.EOF:
			return n, io.EOF
		case err != nil || e.left > 0 || n == 0:
			return n, err
		}
		// The last read of a source that verifies itself says what it found,
		// which must be heard before the last byte is sent.
		return n, e.end()
	}
	return 0, io.EOF
}

func (e *exact) end() error {
	var one [1]byte
	for {
		n, err := e.rc.Read(one[:])
		switch {
		case n > 0:
			return errors.New("it is longer than its size says")
		case err != nil:
			return err
		}
	}
}

func (e *exact) Close() error { return e.rc.Close() }

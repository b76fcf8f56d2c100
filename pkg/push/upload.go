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

// wholePut is up to which size in bytes a blob always goes in the closing PUT,
// which saves a round trip, and the registry from keeping its state.
const wholePut = 256 << 10

// commitRate is how many bytes a second a registry is trusted to hash and move
// when an upload closes; meanwhile nothing is heard of it.
const commitRate = 20 << 20

// beginTries is how often an upload is begun at a registry that does not say
// where it is: a header may be lost once, by a proxy in trouble.
const beginTries = 4

// upload is a blob on its way: POST, PATCH for each chunk, PUT. It lives over
// all tries, and its location over the end of the process, so that each goes
// on from what the registry holds.
type upload struct {
	repo  *repository
	blob  content.Blob
	meter *meter
	// location is where the registry wants the next request, nil where no
	// upload has begun; at is how many bytes it holds then.
	location *url.URL
	at       int64
	// best is the most that the registry ever held of it.
	best int64
	// unsure: the last request failed, so that the registry is asked first
	// what it holds.
	unsure bool
	// nowhere counts uploads that were begun without a location.
	nowhere int
	// outOfRange counts chunks that the registry did not want from where it
	// had said that it was, since the last one that it took. After the second
	// its word is not believed any more: the blob begins anew.
	outOfRange int
	// fresh: nothing was sent to this location yet.
	fresh bool
	// onItsWord: what goes up to at is only there because the registry said so,
	// in place of all of it having been sent by requests that succeeded.
	onItsWord bool
	// remember keeps the location, "" for none.
	remember func(location string)
	cursor   cursor
}

// run sends what the registry does not hold. Where a try got further than the
// one before, the next follows at once; else the error is returned.
func (u *upload) run(ctx context.Context) error {
	done, err := u.repo.host.uploading(ctx)
	if err != nil {
		return err
	}
	defer done()
	defer u.cursor.close()
	if err := u.cursor.open(ctx, u.blob); err != nil {
		return err
	}
	for {
		before := u.at
		err := u.try(ctx)
		u.best = max(u.best, u.at)
		if err == nil {
			u.remember("")
			return nil
		}
		u.unsure = true
		if !temporary(err) || u.at <= before || ctx.Err() != nil {
			return err
		}
	}
}

func (u *upload) try(ctx context.Context) error {
	if u.unsure && u.location != nil {
		if err := u.status(ctx); err != nil {
			return err
		}
	}
	u.unsure = false
	if u.location == nil {
		if err := u.begin(ctx); err != nil {
			return err
		}
	}
	for u.repo.host.o.inChunks(u.blob.Size) && u.at < u.blob.Size && !u.repo.host.whole.Load() {
		if err := u.chunk(ctx); err != nil {
			return err
		}
	}
	return u.close(ctx)
}

// begin starts a new upload.
func (u *upload) begin(ctx context.Context) error {
	u.at, u.fresh, u.onItsWord = 0, true, false
	res, err := u.repo.host.do(ctx, u.repo.request(http.MethodPost, "blobs", "uploads/", http.StatusAccepted))
	if err != nil {
		return err
	}
	return u.moved(res)
}

// close ends the upload, with the content where it is small or the registry
// takes no chunks.
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
	if u.at < u.blob.Size {
		u.carry(rq, u.blob.Size-u.at)
	}
	res, err := u.repo.host.do(ctx, rq)
	if err != nil {
		return u.closeFailed(err)
	}
	return sameDigest(res, u.blob.Digest)
}

// closeFailed decides how an upload goes on whose end was refused.
func (u *upload) closeFailed(err error) error {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return err
	}
	if e.Status >= 400 && e.Status < 500 && e.Status != http.StatusTooManyRequests && !refused(err) {
		if damaged := u.cursor.verify(u.blob); damaged != nil {
			return damaged
		}
	}
	switch e.Status {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusConflict, http.StatusRequestedRangeNotSatisfiable:
		if u.onItsWord {
			// It held something else than it said, or it held less.
			u.forget()
			return &againError{err}
		}
	}
	if e.Status >= 400 && e.Status < 500 && u.at > 0 && u.at < u.blob.Size {
		u.location = nil // it took the chunks before, but not the rest with the end
	}
	return err
}

func (u *upload) request(method string, ok ...int) *request {
	return &request{method: method, url: u.location, scopes: u.repo.scopes(), ok: ok}
}

// carry makes rq bring size bytes of the blob from where the registry is.
func (u *upload) carry(rq *request, size int64) {
	from := u.at
	rq.header = http.Header{"Content-Type": {"application/octet-stream"}}
	rq.size = size
	rq.read = u.meter.try(from)
	rq.open = func() (io.ReadCloser, error) { return u.cursor.section(u.blob, from, size) }
}

// moved follows the Location of an answer: absolute, or relative to where the
// request went.
func (u *upload) moved(res *response) error {
	text := res.header.Get("Location")
	if text == "" {
		if u.location != nil {
			return nil // only the first one is a must
		}
		err := errors.New("the registry began an upload and did not say where (no Location)")
		if u.nowhere++; u.nowhere < beginTries {
			return &againError{err}
		}
		return err
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
	u.remember(to.String())
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

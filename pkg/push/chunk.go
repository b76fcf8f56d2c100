package push

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// chunk sends one chunk (OCI distribution specification, "Pushing a blob in
// chunks").
func (u *upload) chunk(ctx context.Context) error {
	h := u.repo.host
	from, size := u.at, min(u.blob.Size-u.at, h.o.chunk)
	rq := u.request(http.MethodPatch, http.StatusAccepted, http.StatusNoContent, http.StatusCreated)
	u.carry(rq, size)
	rq.header.Set("Content-Range", fmt.Sprintf("%d-%d", from, from+size-1))
	res, err := h.do(ctx, rq)
	if err != nil {
		return u.chunkFailed(err)
	}
	held, told := parseRange(res.header.Get("Range"))
	switch {
	case !told:
		held = from + size
	case held <= from || held > from+size:
		u.forget()
		return &againError{fmt.Errorf("the registry was sent %d bytes from %d on and now says that it holds %d", size, from, held)}
	}
	if held < from+size {
		u.onItsWord = true
	}
	u.at, u.fresh, u.outOfRange = held, false, 0
	return u.moved(res)
}

// againError is an answer that means little by itself: the upload is tried
// again in another way.
type againError struct{ err error }

func (e *againError) Error() string { return e.err.Error() }
func (e *againError) Unwrap() error { return e.err }

// chunkFailed decides how an upload goes on whose chunk was refused.
func (u *upload) chunkFailed(err error) error {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return err
	}
	switch e.Status {
	case http.StatusRequestedRangeNotSatisfiable, http.StatusNotFound, http.StatusBadRequest, http.StatusMethodNotAllowed,
		http.StatusLengthRequired, http.StatusNotImplemented, http.StatusUnsupportedMediaType:
	default:
		return err
	}
	switch {
	case !u.fresh && e.Status == http.StatusRequestedRangeNotSatisfiable && u.at > 0 && u.outOfRange == 0:
		// It holds another number of bytes than we think, which it will say.
		u.outOfRange++
	case !u.fresh || e.Status == http.StatusNotFound:
		u.forget()
	default:
		// Not a registry that takes chunks: a new upload, in one piece.
		u.repo.host.whole.Store(true)
		u.forget()
	}
	return &againError{err}
}

// status asks the registry how much it holds. An upload that it does not know
// any more is begun again.
func (u *upload) status(ctx context.Context) error {
	res, err := u.repo.host.do(ctx, u.request(http.MethodGet, http.StatusNoContent, http.StatusOK, http.StatusAccepted))
	if e, ok := errors.AsType[*Error](err); ok && e.Status >= 400 && e.Status < 500 && e.Status != http.StatusTooManyRequests && !refused(err) {
		u.forget()
		return nil
	}
	if err != nil {
		return err
	}
	held, told := parseRange(res.header.Get("Range"))
	if !told || held > u.blob.Size {
		u.forget()
		return nil
	}
	if held == 1 {
		held = 0 // "0-0" is what registries say of nothing as well as of one byte
		if u.at > 0 {
			u.forget()
			return nil
		}
	}
	u.at, u.fresh, u.onItsWord = held, false, true
	return u.moved(res)
}

// forget gives an upload up.
func (u *upload) forget() {
	u.location, u.at, u.onItsWord, u.outOfRange = nil, 0, false, 0
	u.remember("")
}

// parseRange reads how many bytes a registry holds from its Range header,
// "0-N" with N the last byte ("bytes=0-N" from some).
func parseRange(v string) (held int64, ok bool) {
	first, last, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(v), "bytes="), "-")
	if !ok || first != "0" {
		return 0, false
	}
	n, err := strconv.ParseUint(last, 10, 62)
	if err != nil {
		return 0, false
	}
	return int64(n) + 1, true
}

package dockerd

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
)

// API asks a daemon, to which it opens connections, one for a request.
type API func(ctx context.Context) (net.Conn, error)

// API is that of the daemon at the socket.
func (s Socket) API() API { return s.Dial }

// Error is the daemon's refusal of a request. All other errors say that it could
// not be asked.
type Error struct {
	Status  int // of HTTP
	Message string
}

func (e *Error) Error() string { return e.Message }

// errorBytes are as much of a refusal as is read.
const errorBytes = 4 << 10

// Do sends a request of the API, in the newest version that the daemon has, and
// returns its answer, whose body is the caller's to close. A body that is sent
// is an archive.
func (a API) Do(ctx context.Context, method, path string, query url.Values, body io.Reader) (*http.Response, error) {
	at := &url.URL{Scheme: "http", Host: "docker", Path: path, RawQuery: query.Encode()}
	req, err := http.NewRequestWithContext(ctx, method, at.String(), body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/x-tar")
	}
	t := &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return a(ctx) },
	}
	res, err := t.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode < http.StatusBadRequest {
		return res, nil
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, errorBytes))
	if err != nil {
		return nil, err
	}
	return nil, &Error{Status: res.StatusCode, Message: message(res.Status, b)}
}

// message is what a refusal says (Docker's API, ErrorResponse).
func message(status string, body []byte) string {
	var m struct{ Message string }
	_ = json.Unmarshal(body, &m) // a proxy may have answered
	return cmp.Or(m.Message, string(bytes.TrimSpace(body)), status)
}

// Ping says whether the daemon answers.
func (a API) Ping(ctx context.Context) error { return a.Tell(ctx, http.MethodGet, "/_ping", nil) }

// Tell is Do where nothing but the success matters.
func (a API) Tell(ctx context.Context, method, path string, query url.Values) error {
	res, err := a.Do(ctx, method, path, query, nil)
	if err != nil {
		return err
	}
	return res.Body.Close()
}

// Image is what the daemon knows of an image.
type Image struct {
	ID       string `json:"Id"` // the digest of its config or its manifest, by the kind of the daemon's store
	RepoTags []string
	Config   struct{ ExposedPorts map[string]struct{} }
}

// Image looks an image up by its name. Of one that is not there the error is
// Missing.
func (a API) Image(ctx context.Context, name string) (img Image, err error) {
	res, err := a.Do(ctx, http.MethodGet, "/images/"+name+"/json", nil, nil)
	if err != nil {
		return img, err
	}
	defer res.Body.Close()
	const most = 16 << 20 // a configuration is some kB
	if err := json.NewDecoder(io.LimitReader(res.Body, most)).Decode(&img); err != nil {
		return img, fmt.Errorf("reading the daemon's answer about %s: %w", name, err)
	}
	return img, nil
}

// Refused says whether an error is the daemon's answer, so that asking by
// another way is of no use.
func Refused(err error) bool { return statusOf(err) != 0 }

// Missing says whether an error is the daemon's answer that there is no such
// thing.
func Missing(err error) bool { return statusOf(err) == http.StatusNotFound }

func statusOf(err error) int {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Status
	}
	return 0
}

package testtool

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/mirror"
)

// Relay serves this machine's mirrors to containers, on loopback and over
// plain HTTP: the certificates and passwords that a mirror may want are the
// machine's and not in an image. Containers need --network host for it.
type Relay struct {
	server  *httptest.Server
	mirrors *mirror.Mirrors
}

// StartRelay starts a relay to the mirrors that this machine is configured with.
func StartRelay() (*Relay, error) {
	m, err := mirror.New(mirror.Options{})
	if err != nil {
		return nil, err
	}
	r := &Relay{mirrors: m}
	r.server = httptest.NewServer(r)
	return r, nil
}

// URL is where an archive (mirror.Debian and so on) is.
func (r *Relay) URL(archive string) string { return r.server.URL + "/" + archive }

// Close stops the relay.
func (r *Relay) Close() { r.server.Close() }

// ServeHTTP passes /ARCHIVE/PATH on to the archive's first place.
func (r *Relay) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	archive, rest, _ := strings.Cut(strings.TrimPrefix(req.URL.EscapedPath(), "/"), "/")
	bases, err := r.mirrors.Bases(context.WithoutCancel(req.Context()), archive)
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	base := bases[0]
	target, err := url.Parse(base.URL + "/" + rest)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	target.RawQuery = req.URL.RawQuery
	proxy := httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL, p.Out.Host = target, ""
			p.Out.Header.Del("Accept-Encoding") // so that the answer can be read below
			base.Authorize(p.Out)
		},
		ModifyResponse: func(res *http.Response) error {
			if archive != mirror.NPM || !strings.Contains(res.Header.Get("Content-Type"), "json") {
				return nil
			}
			return replaceBody(res, base.URL, r.URL(archive))
		},
	}
	proxy.ServeHTTP(w, req)
}

// replaceBody lets npm's metadata, which names files by whole URLs, name them here.
func replaceBody(res *http.Response, old, new string) error {
	data, err := io.ReadAll(io.LimitReader(res.Body, 256<<20))
	res.Body.Close()
	if err != nil {
		return err
	}
	data = bytes.ReplaceAll(data, []byte(old), []byte(new))
	res.Body = io.NopCloser(bytes.NewReader(data))
	res.ContentLength = int64(len(data))
	res.Header.Del("Content-Length")
	return nil
}

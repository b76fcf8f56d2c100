package push_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/imgbuild/imgbuild/pkg/push"
)

// regions are several registries at once, each a real server with TLS and a
// token service of its own.
type regions struct {
	servers []*server
	tokens  []*tokens
	roots   *x509.CertPool
}

func startRegions(t *testing.T, n int, start func(*httptest.Server)) *regions {
	t.Helper()
	r := &regions{roots: x509.NewCertPool()}
	for range n {
		s, k := startTokenServer(t, "https", start)
		r.servers, r.tokens = append(r.servers, s), append(r.tokens, k)
		r.roots.AddCert(s.Certificate())
	}
	return r
}

// transport trusts all regions.
func (r *regions) transport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 8
	t.TLSClientConfig = &tls.Config{RootCAs: r.roots}
	return t
}

func (r *regions) pusher(t *testing.T, opts ...push.Option) *push.Pusher {
	t.Helper()
	return newPusher(t, append([]push.Option{push.WithTransport(r.transport()), push.WithKeychain(login{"user", "s3cret-password"})}, opts...)...)
}

// pull is how go-containerregistry gets in.
func (r *regions) pull() []remote.Option {
	return []remote.Option{remote.WithTransport(r.transport()), remote.WithAuth(&authn.Basic{Username: "user", Password: "s3cret-password"})}
}

// destinations brings the requests to all regions, or to other hosts in their
// place.
func (r *regions) destinations(t *testing.T, requests []push.Request, hosts ...string) (ds []push.Destination) {
	t.Helper()
	for i, s := range r.servers {
		host := s.host()
		if len(hosts) > 0 {
			host = hosts[i]
		}
		d := push.Destination{Name: fmt.Sprintf("region-%d", i+1)}
		for _, rq := range requests {
			rq.Repository = repository(t, host, rq.Repository.Path)
			d.Images = append(d.Images, rq)
		}
		ds = append(ds, d)
	}
	return ds
}

// catalogue is so many images as a team has, in three repositories: versions
// with tags as imgbuild gives them, which share a layer.
func catalogue(t *testing.T, images int) (requests []push.Request) {
	t.Helper()
	os := randomLayer(t, 700<<10)
	for i := range images {
		rq := push.Request{Image: ociImage(t, os, randomLayer(t, 2000)), Repository: repository(t, "127.0.0.1:1", fmt.Sprintf("base/image%d", i%3))}
		rq.Tags = []string{fmt.Sprintf("1.%d.3", i), fmt.Sprintf("1.%d", i), fmt.Sprintf("1.%d.3-full", i), fmt.Sprintf("1.%d-full", i)}
		rq.Immutable = push.ImmutableVersions.Of(rq.Tags)
		requests = append(requests, rq)
	}
	return requests
}

// TestRegions: sixteen images with four tags each to five registries that want
// tokens over TLS; a layer that all share is sent once to each. What has not
// changed costs one request a tag, one that learns how to ask, and one token a
// repository.
func TestRegions(t *testing.T) {
	for name, start := range map[string]func(*httptest.Server){"HTTP/1.1": startTLS, "HTTP/2": startHTTP2} {
		t.Run(name, func(t *testing.T) {
			r := startRegions(t, 5, start)
			requests := catalogue(t, 16)
			ds := r.destinations(t, requests)
			if _, err := r.pusher(t, push.WithChunk(512<<10)).PushAll(t.Context(), ds); err != nil {
				t.Fatal(err)
			}
			for _, s := range r.servers {
				if log := s.requests(); count(log, "PATCH") != 2 || count(log, " mount") != 2 {
					t.Errorf("%d chunks and %d mounts; want two of the layer that all share, and a mount into each other repository", count(log, "PATCH"), count(log, " mount"))
				}
			}
			pullBack(t, r.servers[3].host()+"/base/image0:1.0.3", requests[0].Image, r.pull()...)

			for i, k := range r.tokens {
				k.issued.Store(0)
				r.servers[i].requests()
			}
			begun := time.Now()
			results, err := r.pusher(t).PushAll(t.Context(), ds)
			took := time.Since(begun)
			if err != nil {
				t.Fatal(err)
			}
			for _, to := range results {
				for _, res := range to {
					if !res.Unchanged {
						t.Errorf("%+v; want unchanged", res)
					}
				}
			}
			for i, s := range r.servers {
				log := s.requests()
				heads := count(log, "HEAD /v2/base/", "/manifests/")
				tokens := count(log, "/token")
				if heads != 16*4+1 || heads+tokens != len(log) || tokens != 3 || r.tokens[i].issued.Load() != 3 {
					t.Errorf("%d requests, %d of them HEAD of manifests and %d for tokens; want %d and 3", len(log), heads, tokens, 16*4+1)
				}
			}
			t.Logf("nothing changed, five regions, 64 tags each: %s", took.Round(time.Millisecond))
		})
	}
}

// TestRegionFails: a region whose registry is in trouble for good does not stop
// the others, and what it took is not sent again.
func TestRegionFails(t *testing.T) {
	r := startRegions(t, 3, startHTTP2)
	requests := catalogue(t, 2)
	ds := r.destinations(t, requests)
	serve := r.servers[1].between
	r.servers[1].misbehave(func(w http.ResponseWriter, rq *http.Request, next http.Handler) {
		if rq.Method == http.MethodPut && strings.Contains(rq.URL.Path, "/manifests/") {
			registryError(w, http.StatusServiceUnavailable, "UNAVAILABLE", "maintenance")
			return
		}
		serve(w, rq, next)
	})
	_, err := r.pusher(t, push.WithTries(2)).PushAll(t.Context(), ds)
	if err == nil || !strings.Contains(err.Error(), "1 of 3 destinations failed; region-1, region-3 have all images") {
		t.Fatalf("%v", err)
	}
	r.servers[1].misbehave(serve)
	for _, s := range r.servers {
		s.requests()
	}
	if _, err := r.pusher(t).PushAll(t.Context(), ds); err != nil {
		t.Fatal(err)
	}
	for i, s := range r.servers {
		log := s.requests()
		if n := count(log, "POST ") + count(log, "PATCH "); n > 0 {
			t.Errorf("region %d: blobs were sent again: %q", i+1, log)
		}
		pullBack(t, s.host()+"/base/image1:1.1", requests[1].Image, r.pull()...)
	}
}

package push_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/pkg/push"
)

// TestPlainWords: what registries answer to a push, and what is said of it.
// The bodies of ACR are approximations: none was recorded from the cloud.
func TestPlainWords(t *testing.T) {
	for name, tc := range map[string]struct {
		on            string // which requests get the answer
		status        int
		code, message string
		want          []string
	}{
		"no namespace":                      {"POST ", 404, "NAME_UNKNOWN", "repository name not known to registry", []string{"no namespace base", "create it in the console"}},
		"denied":                            {"POST ", 403, "DENIED", "requested access to the resource is denied", []string{"may not push to base/golang", "docker login"}},
		"immutable tag":                     {"PUT /v2/base/golang/manifests/1", 400, "TAG_INVALID", "The image tag '1' already exists and cannot be overwritten because the repository is immutable.", []string{"moving tag 1", "immutable tags"}},
		"immutable tag, enterprise edition": {"PUT /v2/base/golang/manifests/1", 403, "DENIED", "The requested tag already exists and cannot be overwritten.", []string{"moving tag 1", "immutable tags", "--immutable all"}},
		"immutable tag, Harbor":             {"PUT /v2/base/golang/manifests/1", 412, "PRECONDITION", "Failed to process request due to 'base/golang:1' configured as immutable.", []string{"moving tag 1", "immutable tags"}},
		"quota":                             {"POST ", 403, "DENIED", "adding 30 MiB of storage resource, which when updated to current usage will exceed the configured upper limit: quota exceeded", []string{"no room left"}},
		"manifest refused":                  {"PUT /v2/base/golang/manifests/sha256", 400, "MANIFEST_INVALID", "unknown manifest class for application/vnd.oci.empty.v1+json", []string{"does not take this kind of manifest"}},
		"other digest":                      {"PUT /v2/base/golang/blobs", 400, "DIGEST_INVALID", "provided digest did not match uploaded content", []string{"another digest"}},
		"out of order":                      {"POST ", 503, "UNAVAILABLE", "maintenance", []string{"fails", "maintenance", "tried 2 times"}},
		"long wait":                         {"HEAD ", 429, "TOOMANYREQUESTS", "slow down", []string{"none for 1h0m0s"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, nil, nil)
			s.misbehave(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				if !strings.HasPrefix(r.Method+" "+r.URL.Path, tc.on) {
					next.ServeHTTP(w, r)
					return
				}
				if name == "long wait" {
					w.Header().Set("Retry-After", "3600")
				}
				registryError(w, tc.status, tc.code, tc.message)
			})
			_, err := newPusher(t, push.WithTries(2)).Push(t.Context(), push.Request{Image: ociImage(t, randomLayer(t, 100)), Repository: repository(t, s.host(), "base/golang"), Tags: []string{"1"}})
			for _, want := range append(tc.want, "pushing "+s.host()+"/base/golang") {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("the error lacks %q: %v", want, err)
				}
			}
		})
	}
}

func TestUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host := l.Addr().String()
	l.Close()
	_, err = newPusher(t).Push(t.Context(), push.Request{Image: ociImage(t, randomLayer(t, 100)), Repository: repository(t, host, "golang"), Tags: []string{"1"}})
	for _, want := range []string{"cannot be reached", "http://" + host + "/v2/golang/manifests/1", "connection refused", "tried 4 times in"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q: %v", want, err)
		}
	}
}

// TestDeniedByContainerRegistry: a role without cr:PushRepository gets a token
// that allows less. What is said names the action.
func TestDeniedByContainerRegistry(t *testing.T) {
	s, _ := startTokenServer(t, "https", startTLS)
	tr := s.trusting().(*http.Transport)
	tr.TLSClientConfig.ServerName = "example.com" // one that the certificate is for
	tr.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", s.Listener.Addr().String())
	}
	for path, want := range map[string][]string{
		"base/golang":        {"may not push to base/golang", "RAM actions cr:PushRepository and cr:PullRepository", "the namespace base must exist"},
		"base/images/golang": {"cr:PushRepository", "refuses more than one namespace"},
	} {
		host := "crpi-0a1b2c3d.cn-hangzhou.personal.cr.aliyuncs.com"
		_, err := newPusher(t, push.WithTransport(tr), push.WithKeychain(login{"reader", "s3cret-password"})).Push(t.Context(), push.Request{
			Image: ociImage(t, randomLayer(t, 100)), Repository: repository(t, host, path), Tags: []string{"1"},
		})
		for _, w := range append(want, "pushing "+host+"/"+path) {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("%s: the error lacks %q: %v", path, w, err)
			}
		}
	}
}

// TestLongRetryAfter: a host that wants to hear nothing for longer than anybody
// waits is asked nothing more, and what waits for it ends at once.
func TestLongRetryAfter(t *testing.T) {
	s := newServer(t, nil, nil)
	s.misbehave(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	p := newPusher(t, push.WithSlots(1))
	begun := time.Now()
	for range 5 { // not in one PushAll, which ends with the first
		_, err := p.Push(t.Context(), push.Request{Image: ociImage(t, randomLayer(t, 100)), Repository: repository(t, s.host(), "golang"), Tags: []string{"1"}})
		if err == nil || !strings.Contains(err.Error(), "none for 1h0m0s") {
			t.Errorf("error %v", err)
		}
	}
	if d := time.Since(begun); d > time.Minute {
		t.Errorf("that took %s", d)
	}
	if log := s.requests(); len(log) > 1 {
		t.Errorf("requests %q; want the first only", log)
	}
}

// TestLargeErrorPage: what a proxy writes about a failure that passes is no
// reason to give up, however much it is.
func TestLargeErrorPage(t *testing.T) {
	s := newServer(t, nil, nil)
	var hit atomic.Bool
	s.misbehave(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodPost && hit.CompareAndSwap(false, true) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(http.StatusBadGateway)
			io.WriteString(w, strings.Repeat("<p>Bad Gateway</p>", 20000))
			return
		}
		next.ServeHTTP(w, r)
	})
	img := ociImage(t, randomLayer(t, 1000))
	if _, err := newPusher(t).Push(t.Context(), push.Request{Image: img, Repository: repository(t, s.host(), "golang"), Tags: []string{"1"}}); err != nil || !hit.Load() {
		t.Fatal(err)
	}
	pullBack(t, s.host()+"/golang:1", img)
}

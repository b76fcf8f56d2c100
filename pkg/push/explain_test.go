package push_test

import (
	"net"
	"net/http"
	"strings"
	"testing"

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
		"no namespace":     {"POST ", 404, "NAME_UNKNOWN", "repository name not known to registry", []string{"no namespace base", "create it in the console"}},
		"denied":           {"POST ", 403, "DENIED", "requested access to the resource is denied", []string{"may not push to base/golang", "docker login"}},
		"immutable tag":    {"PUT /v2/base/golang/manifests/1", 400, "TAG_INVALID", "The image tag '1' already exists and cannot be overwritten because the repository is immutable.", []string{"moving tag 1", "immutable tags"}},
		"quota":            {"POST ", 403, "DENIED", "adding 30 MiB of storage resource, which when updated to current usage will exceed the configured upper limit: quota exceeded", []string{"no room left"}},
		"manifest refused": {"PUT /v2/base/golang/manifests/sha256", 400, "MANIFEST_INVALID", "unknown manifest class for application/vnd.oci.empty.v1+json", []string{"does not take this kind of manifest"}},
		"other digest":     {"PUT /v2/base/golang/blobs", 400, "DIGEST_INVALID", "provided digest did not match uploaded content", []string{"another digest"}},
		"out of order":     {"POST ", 503, "UNAVAILABLE", "maintenance", []string{"fails", "maintenance", "tried 2 times"}},
		"long wait":        {"HEAD ", 429, "TOOMANYREQUESTS", "slow down", []string{"none for 1h0m0s"}},
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

package push_test

import (
	"context"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/push"
)

// TestNothingStays: pushes that fail, stall or are cancelled leave no goroutine
// and no open source behind.
func TestNothingStays(t *testing.T) {
	var open, most atomic.Int64
	layers := func() (out []v1.Layer) {
		for range 6 {
			out = append(out, countedLayer{randomLayer(t, 1<<20), &open, &most})
		}
		return out
	}
	for name, serve := range map[string]func(cancel func(), w http.ResponseWriter, r *http.Request, next http.Handler){
		"done": func(_ func(), w http.ResponseWriter, r *http.Request, next http.Handler) { next.ServeHTTP(w, r) },
		"refused": func(_ func(), w http.ResponseWriter, r *http.Request, _ http.Handler) {
			w.WriteHeader(http.StatusForbidden)
		},
		"broken": func(_ func(), w http.ResponseWriter, r *http.Request, _ http.Handler) { reset(w) },
		"paused": func(_ func(), w http.ResponseWriter, r *http.Request, _ http.Handler) {
			w.Header().Set("Retry-After", "300")
			w.WriteHeader(http.StatusServiceUnavailable)
		},
		"stalled":   nil,
		"cancelled": func(cancel func(), _ http.ResponseWriter, _ *http.Request, _ http.Handler) { cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, nil, nil)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			end := make(chan struct{})
			t.Cleanup(func() { close(end) })
			s.misbehave(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				if r.Method != http.MethodPatch {
					next.ServeHTTP(w, r)
					return
				}
				if serve != nil {
					serve(cancel, w, r, next)
				}
				if name == "stalled" || name == "cancelled" {
					<-end
				}
			})
			if name == "paused" {
				time.AfterFunc(time.Second, cancel)
			}
			tr := http.DefaultTransport.(*http.Transport).Clone()
			img := ociImage(t, layers()...)
			open.Store(0)
			patience := 500 * time.Millisecond
			if name == "done" { // on a busy machine, too
				patience = 30 * time.Second
			}
			p := newPusher(t, push.WithTransport(tr), push.WithTries(2), push.WithPatience(patience), push.WithChunk(testChunk/4))
			_, err := p.Push(ctx, push.Request{Image: img, Repository: repository(t, s.host(), "golang"), Tags: []string{"1"}})
			if (err == nil) != (name == "done") {
				t.Errorf("error %v", err)
			}
			tr.CloseIdleConnections()
			var left string
			for range 600 {
				if left = ofPush(); left == "" && open.Load() == 0 {
					return
				}
				time.Sleep(50 * time.Millisecond)
			}
			t.Errorf("%d sources are open; %s", open.Load(), left)
		})
	}
}

// ofPush is the stacks of goroutines in package push, without those of tests.
func ofPush() string {
	buf := make([]byte, 4<<20)
	var out []string
	for _, g := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(g, "/pkg/push.") && !strings.Contains(g, "testing.tRunner") {
			out = append(out, g)
		}
	}
	return strings.Join(out, "\n\n")
}

package push_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/push"
)

// wire is toxiproxy between pushers and a registry: it harms connections where
// a handler harms requests.
type wire struct {
	*toxiproxy.Proxy
	t *testing.T
}

func newWire(t *testing.T, upstream string) *wire {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.New(io.Discard))
	w := &wire{toxiproxy.NewProxy(server, t.Name(), "127.0.0.1:0", upstream), t}
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Stop)
	return w
}

func (w *wire) host() string { return w.Listen }

// toxic is one of toxiproxy's: its kind, the direction ("upstream" is to the
// registry), the part of connections that it harms, and its attributes.
type toxic struct {
	kind, stream string
	part         float32
	attributes   map[string]any
}

// poison puts the toxics in place of those before.
func (w *wire) poison(toxics ...toxic) {
	w.t.Helper()
	w.Toxics.ResetToxics(w.t.Context())
	for i, x := range toxics {
		spec, err := json.Marshal(map[string]any{"name": fmt.Sprint(i), "type": x.kind, "stream": x.stream, "toxicity": x.part, "attributes": x.attributes})
		if err == nil {
			_, err = w.Toxics.AddToxicJson(strings.NewReader(string(spec)))
		}
		if err != nil {
			w.t.Error(err)
		}
	}
}

type attributes = map[string]any

var badWires = map[string][]toxic{
	"latency": {
		{"latency", "upstream", 1, attributes{"latency": 60, "jitter": 30}},
		{"latency", "downstream", 1, attributes{"latency": 60, "jitter": 30}},
	},
	"bandwidth":  {{"bandwidth", "upstream", 1, attributes{"rate": 3000}}}, // KB/s and connection
	"slow_close": {{"slow_close", "downstream", 1, attributes{"delay": 300}}},
	"slicer":     {{"slicer", "upstream", 1, attributes{"average_size": 3000, "size_variation": 2000, "delay": 100}}},
	"reset_peer": {{"reset_peer", "downstream", 0.3, attributes{"timeout": 50}}},
	// The patience is 2 s: of these some end by themselves, some by it.
	"timeout":         {{"timeout", "upstream", 0.3, attributes{"timeout": 500}}},
	"timeout of ours": {{"timeout", "downstream", 0.2, attributes{"timeout": 10000}}},
	"limit_data":      {{"limit_data", "upstream", 1, attributes{"bytes": 400 << 10}}},
	"answers cut":     {{"limit_data", "downstream", 0.5, attributes{"bytes": 5000}}},
	"all at once": {
		{"latency", "downstream", 0.5, attributes{"latency": 20, "jitter": 20}},
		{"bandwidth", "upstream", 1, attributes{"rate": 5000}},
		{"limit_data", "upstream", 0.3, attributes{"bytes": 600 << 10}},
		{"reset_peer", "downstream", 0.1, attributes{"timeout": 100}},
		{"slicer", "upstream", 0.5, attributes{"average_size": 4000, "size_variation": 1000, "delay": 10}},
	},
}

// TestBadWires: regions at the end of wires that are long, thin, or break. All
// images arrive, and no tag ever points to less than all.
func TestBadWires(t *testing.T) {
	testtool.Whole(t)
	for name, toxics := range badWires {
		for protocol, start := range map[string]func(*httptest.Server){"HTTP/1.1": startTLS, "HTTP/2": startHTTP2} {
			t.Run(name+" "+protocol, func(t *testing.T) {
				t.Parallel()
				r := startRegions(t, 2, start)
				var hosts []string
				for _, s := range r.servers {
					s.watched(t)
					w := newWire(t, s.host())
					w.poison(toxics...)
					hosts = append(hosts, w.host())
				}
				shared := randomLayer(t, 1<<20)
				var requests []push.Request
				for _, path := range []string{"base/golang", "base/node"} {
					requests = append(requests, push.Request{
						Image:      ociImage(t, shared, randomLayer(t, 700<<10), randomLayer(t, 1000)),
						Repository: repository(t, "127.0.0.1:1", path), Tags: []string{"1.27.3", "latest"},
					})
				}
				p := r.pusher(t, push.WithChunk(128<<10), push.WithPatience(2*time.Second), push.WithTries(20))
				if _, err := p.PushAll(t.Context(), r.destinations(t, requests, hosts...)); err != nil {
					t.Fatal(err)
				}
				for _, s := range r.servers {
					for _, rq := range requests {
						pullBack(t, fmt.Sprintf("%s/%s:latest", s.host(), rq.Repository.Path), rq.Image, r.pull()...)
					}
				}
			})
		}
	}
}

// TestRegistryRestarts: a registry that is gone for some seconds in the middle
// of a push is waited for, and one that never was there is not.
func TestRegistryRestarts(t *testing.T) {
	testtool.Whole(t)
	s := newServer(t, nil, nil)
	w := newWire(t, s.host())
	var down atomic.Bool
	back := make(chan error, 1)
	bytes := counted(s, nil)
	img := ociImage(t, randomLayer(t, 8<<20))
	w.poison(toxic{"bandwidth", "upstream", 1, attributes{"rate": 4000}})
	go func() {
		for bytes.Load() < 3<<20 {
			time.Sleep(5 * time.Millisecond)
		}
		down.Store(true)
		w.Stop()
		time.Sleep(4 * time.Second) // longer than what never was there is tried
		back <- w.Start()
	}()
	p := newPusher(t, push.WithChunk(testChunk))
	if _, err := p.Push(t.Context(), push.Request{Image: img, Repository: repository(t, w.host(), "golang"), Tags: []string{"1"}}); err != nil {
		t.Fatal(err)
	}
	if !down.Load() {
		t.Fatal("the registry was never gone")
	}
	if err := <-back; err != nil {
		t.Fatal(err)
	}
	pullBack(t, s.host()+"/golang:1", img)
	if most := int64(8<<20 + 3*testChunk); bytes.Load() > most {
		t.Errorf("%d bytes were sent, want %d at most", bytes.Load(), most)
	}
}

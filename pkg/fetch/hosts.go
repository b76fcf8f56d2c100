package fetch

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/imgbuild/imgbuild/pkg/mirror"
)

// hosts is what all downloads know together about the places they ask: who
// asked for a pause, and who does not answer at all. The zero value is ready.
type hosts struct {
	mu    sync.Mutex
	until map[string]time.Time
	down  map[string]bool
}

// pause makes every request to that base wait for d.
func (h *hosts) pause(base string, d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.until == nil {
		h.until = map[string]time.Time{}
	}
	if t := time.Now().Add(d); t.After(h.until[base]) {
		h.until[base] = t
	}
}

// wait returns when the base may be asked.
func (h *hosts) wait(ctx context.Context, base string) error {
	for {
		h.mu.Lock()
		d := time.Until(h.until[base])
		h.mu.Unlock()
		if d <= 0 {
			return context.Cause(ctx)
		}
		t := time.NewTimer(d)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return context.Cause(ctx)
		}
	}
}

// failed notes that a base was asked in vain, so that the next hundred files
// try the others before it.
func (h *hosts) failed(base string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.down == nil {
		h.down = map[string]bool{}
	}
	h.down[base] = true
}

// order puts the bases that failed last.
func (h *hosts) order(bases []mirror.Base) []mirror.Base {
	h.mu.Lock()
	defer h.mu.Unlock()
	ordered := slices.Clone(bases)
	slices.SortStableFunc(ordered, func(a, b mirror.Base) int {
		switch da, db := h.down[a.URL], h.down[b.URL]; {
		case da == db:
			return 0
		case db:
			return -1
		default:
			return 1
		}
	})
	return ordered
}

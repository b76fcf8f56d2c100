package http2

import "sync/atomic"

// gauge counts what runs at once.
type gauge struct{ n atomic.Int64 }

func (g *gauge) add(n int64) int64 { return g.n.Add(n) }
func (g *gauge) value() int64      { return g.n.Load() }

func (g *gauge) max(n int64) {
	for old := g.n.Load(); n > old && !g.n.CompareAndSwap(old, n); old = g.n.Load() {
	}
}

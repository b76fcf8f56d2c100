package gotoolchain

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"
	"runtime"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/imgbuild/imgbuild/pkg/layer"
)

// Memory that inflating ahead may take, in bytes. A file larger
// than maxAhead is inflated as it is read instead: a gzip layer takes such a one as the zip has it.
const (
	budget   = 16 << 20
	maxAhead = 256<<10 - 1
)

// inflated is a file whose content is on its way: at once, or when done closes.
type inflated struct {
	entry entry
	done  chan struct{}
	data  []byte
	err   error
}

// each calls use for every entry in order, on one goroutine, while others
// inflate what comes next. The content is good during the call only.
func each(ctx context.Context, entries []entry, use func(entry, io.Reader) error) error {
	g, ctx := errgroup.WithContext(ctx)
	workers := runtime.GOMAXPROCS(0)
	// Both are given out in the order of entries, so the one that use waits
	// for always has its share.
	memory := semaphore.NewWeighted(budget)
	work := make(chan *inflated, workers)
	queue := make(chan *inflated, 256)

	g.Go(func() error {
		defer close(queue)
		defer close(work)
		for _, e := range entries {
			f := &inflated{entry: e}
			if e.size() <= maxAhead {
				if err := memory.Acquire(ctx, e.size()); err != nil {
					return err
				}
				f.done = make(chan struct{})
				select {
				case work <- f:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			select {
			case queue <- f:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for range workers {
		g.Go(func() error {
			for f := range work {
				f.data, f.err = f.entry.readAll()
				close(f.done)
			}
			return nil
		})
	}
	g.Go(func() error {
		for f := range queue {
			if err := f.use(ctx, use); err != nil {
				return fmt.Errorf("%s: %w", f.entry.path, err)
			}
			if f.done != nil {
				memory.Release(f.entry.size())
			}
		}
		return ctx.Err()
	})
	return g.Wait()
}

func (f *inflated) use(ctx context.Context, use func(entry, io.Reader) error) error {
	if f.done == nil {
		return f.entry.stream(use)
	}
	select {
	case <-f.done:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if f.err != nil {
		return f.err
	}
	err := use(f.entry, bytes.NewReader(f.data))
	f.data = nil
	return err
}

// readAll reads a file whose size is known to be small.
func (e entry) readAll() ([]byte, error) {
	r, err := e.zip.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data := make([]byte, e.size())
	if _, err := io.ReadFull(r, data); err != nil {
		return nil, fmt.Errorf("inflating: %w", err)
	}
	return data, atEnd(r)
}

// stream gives the content to use as it is inflated. Where the zip's own
// compression can be kept, use can see that.
func (e entry) stream(use func(entry, io.Reader) error) error {
	if e.zip.Method == zip.Deflate {
		raw, err := e.zip.OpenRaw()
		if err != nil {
			return err
		}
		d := layer.NewDeflated(raw, e.size(), e.zip.CRC32)
		if err := use(e, d); err != nil {
			return err
		}
		return atEnd(d)
	}
	r, err := e.zip.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	if err := use(e, io.LimitReader(r, e.size())); err != nil {
		return err
	}
	return atEnd(r)
}

// atEnd says that a file is as long as the zip's directory states. The read at
// the end is also the one that compares the checksum.
func atEnd(r io.Reader) error {
	switch n, err := io.ReadFull(r, make([]byte, 1)); {
	case n > 0:
		return fmt.Errorf("inflating: the file is longer than the zip states")
	case err != io.EOF:
		return fmt.Errorf("inflating: %w", err)
	}
	return nil
}

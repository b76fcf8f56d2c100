package push

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/imgbuild/imgbuild/pkg/content"
)

// cursor reads a blob in sections one after another from one open source, so
// that chunks cost no second reading. It goes back by opening the source anew.
//
// HTTP transports may read a body for a moment after the answer is there, so
// only the newest section gets anything.
type cursor struct {
	mu      sync.Mutex
	rc      io.ReadCloser
	at      int64
	current *section
	// trusting: rc does not verify itself, though it could.
	trusting bool
}

// unverified is a source that compares its digest as it is read, and can be
// read without.
type unverified interface{ Unverified() io.ReadCloser }

// source is what sections read from. Registries hash what they get and refuse
// what has another digest, and doing the same here takes as long as all the
// rest of sending where the way is quick.
func (c *cursor) source(rc io.ReadCloser, b content.Blob) io.ReadCloser {
	if v, ok := rc.(unverified); ok {
		rc, c.trusting = v.Unverified(), true
	}
	return &exact{rc: rc, left: b.Size}
}

// verify reads a blob that a registry refused once more, and says whether the
// blob itself is damaged.
func (c *cursor) verify(b content.Blob) error {
	c.mu.Lock()
	trusting := c.trusting
	c.mu.Unlock()
	if !trusting {
		return nil // it would have said so
	}
	rc, err := b.Open()
	if err != nil {
		return &sourceError{err}
	}
	defer rc.Close()
	if _, err := io.Copy(io.Discard, &exact{rc: rc, left: b.Size}); err != nil {
		return &sourceError{err}
	}
	return nil
}

// open opens the blob ahead of its first section, which may take long where it
// is fetched from elsewhere: neither a slot of the host nor the patience with a
// request is to be spent on that. An opening that the context's end leaves
// behind is closed when it is done.
func (c *cursor) open(ctx context.Context, b content.Blob) error {
	type opened struct {
		rc  io.ReadCloser
		err error
	}
	done := make(chan opened, 1)
	go func() {
		rc, err := b.Open()
		done <- opened{rc, err}
	}()
	select {
	case o := <-done:
		if o.err != nil {
			return &sourceError{o.err}
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.closeLocked()
		c.rc, c.at = c.source(o.rc, b), 0
		return nil
	case <-ctx.Done():
		go func() {
			if o := <-done; o.err == nil {
				o.rc.Close()
			}
		}()
		return context.Cause(ctx)
	}
}

// section returns size bytes of the blob from an offset on. The one before
// gives nothing any more.
func (c *cursor) section(b content.Blob, from, size int64) (io.ReadCloser, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rc != nil && c.at > from {
		c.closeLocked()
	}
	if c.rc == nil || c.at != from {
		if c.rc == nil {
			rc, err := b.Open()
			if err != nil {
				return nil, err
			}
			c.rc, c.at = c.source(rc, b), 0
		}
		if n, err := io.CopyN(io.Discard, c.rc, from-c.at); err != nil {
			c.closeLocked()
			if err == io.EOF {
				err = errors.New("it is shorter than its size says")
			}
			return nil, err
		} else {
			c.at += n
		}
	}
	c.current = &section{cursor: c, left: size, last: from+size == b.Size}
	return c.current, nil
}

func (c *cursor) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closeLocked()
}

func (c *cursor) closeLocked() {
	c.current = nil
	if c.rc != nil {
		c.rc.Close()
		c.rc = nil
	}
}

// section is a part of a blob. Closing it leaves the source open.
type section struct {
	cursor *cursor
	left   int64
	last   bool // of the blob, so that its end is read too
}

func (s *section) Read(p []byte) (int, error) {
	s.cursor.mu.Lock()
	defer s.cursor.mu.Unlock()
	switch {
	case s.cursor.current != s:
		return 0, errors.New("the body of a request that is over")
	case s.left == 0:
		return 0, io.EOF
	}
	n, err := s.cursor.rc.Read(p[:min(int64(len(p)), s.left)])
	s.cursor.at += int64(n)
	s.left -= int64(n)
	if err == io.EOF && s.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	if err == nil && s.left == 0 && !s.last {
		err = io.EOF
	}
	return n, err
}

func (s *section) Close() error { return nil }

// exact gives exactly as many bytes as the descriptor says: a source that is
// longer or shorter is damaged, and sending it again would not help.
type exact struct {
	rc   io.ReadCloser
	left int64
}

func (e *exact) Read(p []byte) (int, error) {
	if e.left > 0 {
		n, err := e.rc.Read(p[:min(int64(len(p)), e.left)])
		e.left -= int64(n)
		switch {
		case err == io.EOF && e.left > 0:
			return n, errors.New("it is shorter than its size says")
		case err == io.EOF:
			return n, io.EOF
		case err != nil || e.left > 0 || n == 0:
			return n, err
		}
		// The last read of a source that verifies itself says what it found,
		// which must be heard before the last byte is sent.
		return n, e.end()
	}
	return 0, io.EOF
}

func (e *exact) end() error {
	var one [1]byte
	for {
		n, err := e.rc.Read(one[:])
		switch {
		case n > 0:
			return errors.New("it is longer than its size says")
		case err != nil:
			return err
		}
	}
}

func (e *exact) Close() error { return e.rc.Close() }

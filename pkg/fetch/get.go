package fetch

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/mirror"
)

// Get returns a small file, such as an index, of at most max bytes. It is
// never kept. Errors are as for Fetch.
func (f *Fetcher) Get(ctx context.Context, archive, path string, max int64) ([]byte, error) {
	if f.options.offline {
		return nil, &OfflineError{Archive: archive, Path: path}
	}
	var body []byte
	err := f.ask(ctx, archive, path, http.MethodGet, func(resp *watched) (err error) {
		body, err = readAll(resp, max)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("fetching %s: %w", path, err)
	}
	return body, nil
}

// Exists says whether a mirror has the file; 403, 404 and 410 mean no.
func (f *Fetcher) Exists(ctx context.Context, archive, path string) (bool, error) {
	if f.options.offline {
		return false, &OfflineError{Archive: archive, Path: path}
	}
	err := f.ask(ctx, archive, path, http.MethodHead, func(*watched) error { return nil })
	if _, missing := err.(*NotFoundError); missing {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking for %s: %w", path, err)
	}
	return true, nil
}

// ask sends a request to the mirrors in turn until use is content.
func (f *Fetcher) ask(ctx context.Context, archive, path, method string, use func(*watched) error) error {
	select {
	case f.slots <- struct{}{}:
		defer func() { <-f.slots }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	in := lock.Input{Archive: archive, Path: path}
	err := f.eachMirror(ctx, in, func(base mirror.Base, url string) error {
		return f.retry(ctx, base, url, nolog, func() (bool, error) {
			resp, err := f.do(ctx, base, method, url, nil)
			if err == nil && method == http.MethodHead && resp.StatusCode == http.StatusMethodNotAllowed {
				resp.Close()
				resp, err = f.do(ctx, base, http.MethodGet, url, nil) // and its body is not read
			}
			if err != nil {
				return false, err
			}
			defer resp.Close()
			if resp.StatusCode != http.StatusOK {
				return false, newStatusError(resp.Response)
			}
			return false, use(resp)
		})
	})
	if missing, ok := err.(*NotFoundError); ok {
		missing.Input = lock.Input{}
	}
	return err
}

func nolog(string) {}

func readAll(resp *watched, max int64) ([]byte, error) {
	if resp.ContentLength > max {
		return nil, refusal{fmt.Errorf("the file has %d bytes, and the limit is %d", resp.ContentLength, max)}
	}
	var buf bytes.Buffer
	buf.Grow(int(resp.ContentLength + 1 + bytes.MinRead))
	n, err := io.Copy(&buf, io.LimitReader(resp, max+1))
	if err != nil {
		return nil, err
	}
	if n > max {
		return nil, refusal{fmt.Errorf("the mirror sent more than the %d bytes the file may have", max)}
	}
	return buf.Bytes(), nil
}

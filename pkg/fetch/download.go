package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/mirror"
	"github.com/imgbuild/imgbuild/pkg/progress"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// download brings a file into the store over the network.
type download struct {
	f     *Fetcher
	part  *store.Partial
	want  v1.Hash // zero while locking
	size  int64   // in bytes, 0 where unknown
	limit int64   // in bytes
	step  progress.Step
	shown int64 // bytes the step has been told of: the most there ever were
	valid validator
}

// validator names the version of a file of which a partial download has the
// beginning, for If-Range.
type validator struct{ url, tag string }

func (f *Fetcher) download(ctx context.Context, in lock.Input, want v1.Hash, step progress.Step) (v1.Hash, error) {
	select {
	case f.slots <- struct{}{}:
		defer func() { <-f.slots }()
	case <-ctx.Done():
		return v1.Hash{}, context.Cause(ctx)
	}
	part, err := f.store.Partial(ctx, partialName(in, want))
	if err != nil {
		return v1.Hash{}, err
	}
	defer part.Close()
	// The lock was perhaps waited for while its holder fetched the file.
	if f.stored(in, want) {
		part.Discard()
		step.Cached()
		return want, nil
	}
	d := &download{f: f, part: part, want: want, size: in.Size, limit: f.options.maxSize, step: step}
	if in.Size > 0 {
		d.limit = in.Size
	}
	if d.complete() {
		d.show()
		return part.Commit(want)
	}
	if want == (v1.Hash{}) || part.Size() >= d.limit {
		// Without a hash nothing says that an earlier run's bytes belong to
		// what the mirror has now; and a file that is whole and wrong has no
		// missing rest.
		if err := part.Reset(); err != nil {
			return v1.Hash{}, err
		}
	}
	err = f.eachMirror(ctx, in, func(base mirror.Base, url string) error { return d.from(ctx, base, url) })
	if err != nil {
		return v1.Hash{}, err
	}
	return part.Commit(want)
}

// complete says whether an earlier run has every byte already.
func (d *download) complete() bool {
	return d.want != (v1.Hash{}) && d.part.Size() > 0 && d.part.Hash() == d.want
}

// from downloads the file from one mirror and checks it.
func (d *download) from(ctx context.Context, base mirror.Base, url string) error {
	resumed := d.part.Size() > 0
	for {
		err := d.f.retry(ctx, base, url, d.step.Log, func() (bool, error) {
			before := d.shown
			err := d.once(ctx, base, url)
			return d.shown > before, err
		})
		if err != nil {
			return err
		}
		got := d.part.Hash()
		if d.want == (v1.Hash{}) || got == d.want {
			return nil
		}
		if err := d.part.Reset(); err != nil {
			return localError{err}
		}
		if !resumed {
			return &attempts{url: mirror.Redact(url), from: base.From, tries: 1,
				err: refusal{fmt.Errorf("the mirror's file is another one: expected sha256:%s, got %s", d.want.Hex, got)}}
		}
		// The bytes of the earlier run may be what is wrong.
		resumed = false
	}
}

// once sends one request and takes what it brings.
func (d *download) once(ctx context.Context, base mirror.Base, url string) error {
	offset := d.part.Size()
	resp, err := d.f.do(ctx, base, http.MethodGet, url, d.header(url, offset))
	if err != nil {
		return err
	}
	defer resp.Close()
	switch resp.StatusCode {
	case http.StatusPartialContent:
		total, ok := continues(resp.Header, offset)
		if !ok || offset == 0 {
			if err := d.part.Reset(); err != nil {
				return localError{err}
			}
			return errors.New("the mirror sent another range than it was asked for")
		}
		if err := d.checkSize(total); err != nil {
			return err
		}
	case http.StatusOK:
		if err := d.part.Reset(); err != nil {
			return localError{err}
		}
		if err := d.checkSize(resp.ContentLength); err != nil {
			return err
		}
	case http.StatusRequestedRangeNotSatisfiable:
		if err := d.part.Reset(); err != nil {
			return localError{err}
		}
		if offset == 0 {
			return refusal{newStatusError(resp.Response)}
		}
		return errors.New("the mirror refused to resume")
	default:
		return newStatusError(resp.Response)
	}
	d.valid = validatorOf(url, resp.Header)
	return d.take(resp)
}

// checkSize refuses a file that announces a size other than the lock's, or one
// over the limit. Unknown is -1.
func (d *download) checkSize(n int64) error {
	switch {
	case n < 0:
		return nil
	case d.size > 0 && n != d.size:
		return refusal{fmt.Errorf("the mirror's file is another one: expected %d bytes, got %d", d.size, n)}
	case n > d.limit:
		return refusal{fmt.Errorf("the file has %d bytes, and the limit is %d", n, d.limit)}
	}
	if d.size == 0 {
		d.step.Total(n)
	}
	return nil
}

// partialName names the download: by its hash, else by what is fetched.
func partialName(in lock.Input, want v1.Hash) string {
	if want != (v1.Hash{}) {
		return want.Hex
	}
	h := sha256.Sum256([]byte(in.Archive + "\x00" + in.Path))
	return "new-" + hex.EncodeToString(h[:])
}

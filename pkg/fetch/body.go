package fetch

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// buffers carry bodies from the network to the disk.
var buffers = sync.Pool{New: func() any { return new([128 << 10]byte) }}

// take writes the body to the partial blob. It fails where the body ends
// before the file does.
func (d *download) take(resp *watched) error {
	buf := buffers.Get().(*[128 << 10]byte)
	defer buffers.Put(buf)
	for {
		n, err := resp.Read(buf[:])
		if d.part.Size()+int64(n) > d.limit {
			if err := d.part.Reset(); err != nil {
				return localError{err}
			}
			return refusal{fmt.Errorf("the mirror sent more than the %d bytes the file may have", d.limit)}
		}
		if _, werr := d.part.Write(buf[:n]); werr != nil {
			return refusal{localError{werr}}
		}
		d.show()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	if d.size > 0 && d.part.Size() < d.size {
		return fmt.Errorf("the mirror ended the file after %d of %d bytes", d.part.Size(), d.size)
	}
	return nil
}

// show tells the step of bytes that are there for the first time: a download
// that begins anew does not count them twice.
func (d *download) show() {
	if n := d.part.Size() - d.shown; n > 0 {
		d.step.Add(n)
		d.shown += n
	}
}

// header asks for the whole file, or for what is missing of it.
func (d *download) header(url string, offset int64) http.Header {
	h := http.Header{}
	// The hash is over the file itself, not over an encoding of it.
	h.Set("Accept-Encoding", "identity")
	if offset == 0 {
		return h
	}
	h.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	if d.valid.url == url && d.valid.tag != "" {
		h.Set("If-Range", d.valid.tag)
	} else if d.want.Hex == "" {
		// Nothing would tell a file that changed in between: take it whole.
		h.Del("Range")
	}
	return h
}

// validatorOf is what If-Range may name, RFC 9110 section 13.1.5: a strong
// entity tag, else the date of the last change.
func validatorOf(url string, h http.Header) validator {
	if tag := h.Get("ETag"); tag != "" && !strings.HasPrefix(tag, "W/") {
		return validator{url, tag}
	}
	return validator{url, h.Get("Last-Modified")}
}

// continues reads Content-Range, RFC 9110 section 14.4, of an answer that goes
// on at offset, and returns the file's size in bytes, -1 where it is unknown.
func continues(h http.Header, offset int64) (total int64, ok bool) {
	v, ok := strings.CutPrefix(h.Get("Content-Range"), "bytes ")
	if !ok {
		return 0, false
	}
	span, size, ok := strings.Cut(v, "/")
	first, _, ok2 := strings.Cut(span, "-")
	if n, err := strconv.ParseInt(first, 10, 64); !ok || !ok2 || err != nil || n != offset {
		return 0, false
	}
	if size == "*" {
		return -1, true
	}
	total, err := strconv.ParseInt(size, 10, 64)
	return total, err == nil && total >= 0
}

package deb

import (
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/therootcompany/xz"
)

// maxDict is the largest dictionary or window accepted, in bytes: that of
// `xz -9`, the most that dpkg-deb uses.
const maxDict = 64 << 20

// decompress opens the member called name, such as data.tar.xz, by its suffix.
// All formats verify their checksums and report truncation.
func decompress(name, stem string, r io.Reader) (io.ReadCloser, error) {
	suffix, ok := strings.CutPrefix(name, stem)
	if !ok {
		return nil, fmt.Errorf("member %s where %s was expected", name, stem)
	}
	switch suffix {
	case "":
		return io.NopCloser(r), nil
	case ".gz":
		return gzip.NewReader(r)
	case ".xz":
		return openXZ(r)
	case ".zst":
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxDict), zstd.WithDecoderMaxMemory(maxDict))
		if err != nil {
			return nil, err
		}
		return z.IOReadCloser(), nil
	}
	return nil, fmt.Errorf("member %s is compressed in a way that is not supported (gz, xz, zst or none)", name)
}

// xzReaders are idle readers: each holds a dictionary of 8 MiB or more, which
// a thousand packages need not allocate a thousand times.
var xzReaders sync.Pool

// xzReader gives its decoder back when it is closed.
type xzReader struct{ *xz.Reader }

func openXZ(r io.Reader) (io.ReadCloser, error) {
	x, ok := xzReaders.Get().(*xz.Reader)
	var err error
	if ok {
		err = x.Reset(r)
	} else {
		x, err = xz.NewReader(r, maxDict)
	}
	if err != nil {
		return nil, err
	}
	return &xzReader{x}, nil
}

func (x *xzReader) Read(p []byte) (int, error) {
	if x.Reader == nil {
		return 0, io.ErrClosedPipe
	}
	return x.Reader.Read(p)
}

func (x *xzReader) Close() error {
	if x.Reader != nil {
		xzReaders.Put(x.Reader)
		x.Reader = nil
	}
	return nil
}

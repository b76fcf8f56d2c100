package layer

import (
	"fmt"
	"io"

	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"
	"github.com/klauspost/pgzip"
)

// Compression is how a layer's blob is packed. The zero value is Gzip.
type Compression string

const (
	// Gzip is the default: every registry and Function Compute's image
	// acceleration take it.
	Gzip Compression = "gzip"
	// Zstd is smaller and faster to unpack; the accelerated personal edition
	// of Container Registry does not take it.
	Zstd Compression = "zstd"
)

// The numbers below are part of every layer's digest: another level, block
// size or library version gives other bytes for the same files. A golden test
// pins them.
const (
	// gzipLevel 7 is within 2 % of the size of zlib's level 9 in a fifth of
	// the time; one step up doubles the time for 1 %.
	gzipLevel = 7
	// gzipBlock bytes are compressed at a time; the size decides where the
	// stream is cut, the number in flight only how many cores work on it.
	gzipBlock  = 1 << 20
	gzipBlocks = 4
	// zstdConcurrency is fixed, since with 1 the encoder takes another path.
	zstdConcurrency = 2
)

// ParseCompression reads "gzip" or "zstd".
func ParseCompression(s string) (Compression, error) {
	switch c := Compression(s); c {
	case "", Gzip:
		return Gzip, nil
	case Zstd:
		return c, nil
	}
	return "", fmt.Errorf("unknown compression %q; use gzip or zstd", s)
}

// ID names the compressor with all that decides its bytes.
func (c Compression) ID() string {
	if c == Zstd {
		return "zstd-default-1"
	}
	return "pgzip-7-1MiB-2"
}

// MediaType is the OCI media type of a layer packed so (image-spec, layer.md).
func (c Compression) MediaType() types.MediaType {
	if c == Zstd {
		return types.OCILayerZStd
	}
	return types.OCILayer
}

func (c Compression) writer(w io.Writer) (io.WriteCloser, error) {
	if c == Zstd {
		return zstd.NewWriter(w, zstd.WithEncoderConcurrency(zstdConcurrency), zstd.WithWindowSize(8<<20))
	}
	return newGzipMembers(w)
}

// Reader unpacks what is packed so.
func (c Compression) Reader(r io.Reader) (io.ReadCloser, error) { return c.reader(r) }

func (c Compression) reader(r io.Reader) (io.ReadCloser, error) {
	if c == Zstd {
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		return z.IOReadCloser(), nil
	}
	return pgzip.NewReader(r)
}

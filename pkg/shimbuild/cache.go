package shimbuild

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// cleanCache makes the go command's build cache fit for use. It is kept in the
// store because compiling net/http takes most of the time, but the go command
// trusts what it finds there. Its data files are named <SHA-256>-d, so each is
// compared with its name, and a damaged one removed: then it is made again.
// (cmd/go/internal/cache; index files <SHA-256>-a name a data file and its
// size, and are ignored by the go command where they do not parse.)
func cleanCache(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		want, ok := strings.CutSuffix(d.Name(), "-d")
		if !ok {
			return nil
		}
		got, err := hashFile(path)
		if err == nil && got != want {
			err = os.Remove(path)
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

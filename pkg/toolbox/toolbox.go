// Package toolbox keeps programs of locked inputs unpacked on this machine, so
// that they can be run: the Go toolchain, Node.js with npm and the TypeScript
// compiler.
//
// They lie in the store, below tools/, which trusts no file on disk: a tool is
// used only where a snapshot says that its files are as they were when they
// were unpacked from verified bytes and had reached the disk.
package toolbox

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/imgbuild/imgbuild/pkg/progress"
	"github.com/imgbuild/imgbuild/pkg/snapshot"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// recordKind is the kind of the store's records: key → state.
const recordKind = "tool"

// state is such a record.
type state struct {
	Files snapshot.Snapshot `json:"files"`
}

// Tools that nobody used for so long are removed when another is unpacked.
const maxAge = 30 * 24 * time.Hour

// Keep returns the folder that fill made for key, in this run or an earlier
// one. key must name everything that decides its content; name is for people.
// Two processes that want the same wait for one another.
func Keep(ctx context.Context, st *store.Store, name, key string, fill func(dir string) error) (string, error) {
	dir := folder(st, key)
	if ok, err := whole(ctx, st, key, dir); ok || err != nil {
		return dir, err
	}
	unlock, err := st.Lock(ctx, "tool-"+filepath.Base(dir))
	if err != nil {
		return "", err
	}
	defer unlock()
	if ok, err := whole(ctx, st, key, dir); ok || err != nil { // made by who held the lock
		return dir, err
	}
	sweep(st, time.Now())
	step := progress.Start(ctx, "unpack "+name, 0)
	err = st.Explain(unpack(ctx, st, key, dir, fill))
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	step.Done(err)
	if err != nil {
		return "", fmt.Errorf("unpacking %s: %w", name, err)
	}
	return dir, nil
}

// folder is where a tool lies.
func folder(st *store.Store, key string) string {
	return filepath.Join(st.Root(), "tools", fmt.Sprintf("%x", sha256.Sum256([]byte(key)))[:32])
}

// whole says whether the tool is there and unchanged.
func whole(ctx context.Context, st *store.Store, key, dir string) (bool, error) {
	var s state
	if ok, err := st.Record(recordKind, key, &s); !ok || err != nil {
		return false, err
	}
	same, err := s.Files.Same(ctx, snapshot.Options{Roots: []string{dir}})
	if cause := context.Cause(ctx); cause != nil {
		return false, cause
	}
	if !same || err != nil {
		return false, nil // it is unpacked anew, whatever happened to it
	}
	// The folder's own time, which is not in the snapshot, is that of its use.
	now := time.Now()
	if err := os.Chtimes(dir, now, now); err != nil {
		return false, nil // a store that cannot be written says so soon enough
	}
	return true, nil
}

func unpack(ctx context.Context, st *store.Store, key, dir string, fill func(string) error) error {
	tmp, err := st.TempDir("tool-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	content := filepath.Join(tmp, "content")
	if err := os.Mkdir(content, 0o755); err != nil {
		return err
	}
	if err := fill(content); err != nil {
		return err
	}
	if err := settle(content); err != nil {
		return err
	}
	// A tool of before that was damaged goes. Who runs it has its files open.
	if err := st.RemoveRecord(recordKind, key); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.Rename(content, dir); err != nil {
		return err
	}
	files, err := snapshot.Take(ctx, snapshot.Options{Roots: []string{dir}, Own: true})
	if err != nil {
		return err
	}
	return st.PutRecord(recordKind, key, state{Files: files})
}

// settle brings all files to the disk: what a power cut cannot empty any more
// need not be hashed at each use.
func settle(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.Syncfs(int(f.Fd()))
}

// sweep removes tools that nobody uses.
func sweep(st *store.Store, now time.Time) {
	entries, err := os.ReadDir(filepath.Join(st.Root(), "tools"))
	if err != nil {
		return
	}
	for _, e := range entries {
		if fi, err := e.Info(); err == nil && now.Sub(fi.ModTime()) > maxAge {
			os.RemoveAll(filepath.Join(st.Root(), "tools", e.Name()))
		}
	}
}

package registry

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/gofrs/flock"

	"github.com/imgbuild/imgbuild/pkg/address"
)

// ErrServed is wrapped where a second server of a folder wants to be the one
// that is found.
var ErrServed = errors.New("is being served already")

// announcement is a file in the folder that holds the address of the server,
// and is locked for as long as that one lives, kill -9 included.
type announcement struct {
	path string
	lock *flock.Flock
}

func announcementPath(dir string) string { return filepath.Join(dir, "serving") }

func announce(dir string) (*announcement, error) {
	a := &announcement{path: announcementPath(dir)}
	a.lock = flock.New(a.path)
	ok, err := a.lock.TryLock()
	if err != nil {
		return nil, err
	}
	if !ok {
		at, _ := Serving(dir)
		return nil, fmt.Errorf("%s %w at %s", dir, ErrServed, at)
	}
	return a, nil
}

func (a *announcement) at(addr string) error {
	return os.WriteFile(a.path, []byte(addr+"\n"), 0o644)
}

// end gives the folder up. The file stays: another server may be about to lock
// it, and two files of that name would be two locks.
func (a *announcement) end() {
	if a == nil {
		return
	}
	os.Truncate(a.path, 0)
	a.lock.Unlock()
}

// Serving returns the address at which another process, or this one, has
// announced that it serves the folder.
func Serving(dir string) (addr string, ok bool) {
	path := announcementPath(dir)
	if _, err := os.Stat(path); err != nil {
		return "", false
	}
	lock := flock.New(path, flock.SetFlag(os.O_RDONLY))
	free, err := lock.TryRLock()
	if err != nil {
		return "", false
	}
	if free {
		lock.Unlock()
		return "", false
	}
	b, err := os.ReadFile(path)
	addr = strings.TrimSpace(string(b))
	return addr, err == nil && addr != "" && address.Loopback(addr)
}

// ForPush returns where to push to so that the images are in the folder: the
// server that has announced itself, else one started here on a free port.
// Close it after the last push.
func ForPush(ctx context.Context, dir string) (addr string, closer func() error, err error) {
	if addr, ok := Serving(dir); ok {
		return addr, func() error { return nil }, nil
	}
	// It ends when it is closed: a push that is stopped would else wait for
	// the patience that a server has with others' requests.
	s, err := Start(context.WithoutCancel(ctx), Options{Dir: dir, Addr: "127.0.0.1:0"})
	if err != nil {
		return "", nil, err
	}
	// Nobody else knows of this server, and its pushes have ended when it is
	// closed: there is nothing to wait for but connections that clients opened
	// and never used.
	return s.Addr(), func() error { return s.end(0) }, nil
}

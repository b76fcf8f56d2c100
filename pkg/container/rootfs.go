package container

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/progress"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// Rootfs are the files of an image, unpacked in the store. Nobody writes to
// them: containers have a top of their own.
//
//	rootfs/<id>/fs      the files
//	rootfs/<id>/base    an empty folder, to mount on
//	rootfs/<id>.use     locked shared by whoever uses them
//
// <id> stands for the layers, and for whether the owners of files are kept.
type Rootfs struct {
	store  *store.Store
	dir    string
	config v1.Config
	use    *flock.Flock
}

// unusedAge is how long files stay that nobody has used.
const unusedAge = 14 * 24 * time.Hour

// Unpack returns the image's files, unpacked once however many processes ask.
// Layers are compared with their diffIDs. Close it after use.
func Unpack(ctx context.Context, s *store.Store, img v1.Image) (*Rootfs, error) {
	return unpack(ctx, s, img, false)
}

// UnpackChanging is Unpack for an image of which others will follow that differ
// in the last layer, as when a function is edited: what is below that layer is
// unpacked by itself, once, and its files are linked.
func UnpackChanging(ctx context.Context, s *store.Store, img v1.Image) (*Rootfs, error) {
	return unpack(ctx, s, img, true)
}

func unpack(ctx context.Context, s *store.Store, img v1.Image, changing bool) (*Rootfs, error) {
	file, err := img.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("reading the image's configuration: %w", err)
	}
	layers, err := img.Layers()
	if err != nil {
		return nil, fmt.Errorf("reading the image's layers: %w", err)
	}
	if len(layers) != len(file.RootFS.DiffIDs) {
		return nil, fmt.Errorf("the image has %d layers and %d diffIDs", len(layers), len(file.RootFS.DiffIDs))
	}
	r, err := unpackLayers(ctx, s, layers, file.RootFS.DiffIDs, changing)
	if err != nil {
		return nil, err
	}
	r.config = file.Config
	return r, nil
}

func unpackLayers(ctx context.Context, s *store.Store, layers []v1.Layer, diffIDs []v1.Hash, changing bool) (*Rootfs, error) {
	id := rootfsID(diffIDs)
	r := &Rootfs{store: s, dir: filepath.Join(s.Root(), "rootfs", id)}
	if err := os.MkdirAll(filepath.Dir(r.dir), 0o755); err != nil {
		return nil, fmt.Errorf("unpacking the image: %w", s.Explain(err))
	}
	step := progress.Start(ctx, "unpack "+id[:12], 0)
	err := r.unpack(ctx, step, func() error {
		last := len(layers) - 1
		if !changing || last < 1 {
			return r.extract(ctx, nil, layers, diffIDs)
		}
		below, err := unpackLayers(ctx, s, layers[:last], diffIDs[:last], false)
		if err != nil {
			return err
		}
		return errors.Join(r.extract(ctx, below, layers[last:], diffIDs[last:]), below.Close())
	})
	step.Done(err)
	if err != nil {
		return nil, fmt.Errorf("unpacking the image: %w", s.Explain(err))
	}
	return r, nil
}

func rootfsID(layers []v1.Hash) string {
	h := sha256.New()
	fmt.Fprintf(h, "rootfs 1 owners=%t uid=%d\n", owners(), os.Geteuid())
	for _, l := range layers {
		fmt.Fprintln(h, l)
	}
	return hex.EncodeToString(h.Sum(nil))[:40]
}

// unpack takes the files into use, and has them extracted where they are not
// there.
func (r *Rootfs) unpack(ctx context.Context, step progress.Step, extract func() error) error {
	// One process at a time unpacks, sweeps or removes; uses do not wait.
	unlock, err := r.store.Lock(ctx, "rootfs-"+filepath.Base(r.dir))
	if err != nil {
		return err
	}
	defer unlock()
	sweep(ctx, r.store, filepath.Base(r.dir), time.Now())
	r.use = flock.New(r.dir+".use", flock.SetPermissions(0o644))
	if err = r.use.RLock(); err != nil { // only who has the store's lock takes it exclusively
		return errors.Join(err, r.use.Close())
	}
	if _, e := os.Stat(r.dir); e == nil {
		step.Cached()
		now := time.Now()
		err = os.Chtimes(r.dir, now, now)
	} else {
		err = extract()
	}
	if err != nil {
		return errors.Join(err, r.use.Close())
	}
	return nil
}

// extract unpacks the layers over what is below, if anything is.
func (r *Rootfs) extract(ctx context.Context, below *Rootfs, layers []v1.Layer, diffIDs []v1.Hash) (err error) {
	temp, err := r.store.TempDir("rootfs-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, removeAll(temp))
		}
	}()
	for _, dir := range []string{"fs", "base"} {
		if err := os.Mkdir(filepath.Join(temp, dir), 0o755); err != nil {
			return err
		}
	}
	if below != nil {
		// A layer's files are new ones, and those that it replaces are taken away.
		if err := duplicateTree(ctx, below.Path(), filepath.Join(temp, "fs"), true); err != nil {
			return fmt.Errorf("linking files: %w", err)
		}
	}
	t, err := newTree(filepath.Join(temp, "fs"))
	if err != nil {
		return err
	}
	defer t.close()
	for n, l := range layers {
		if err := t.apply(ctx, l, diffIDs[n]); err != nil {
			return fmt.Errorf("layer %s: %w", diffIDs[n], err)
		}
	}
	if err := t.finish(); err != nil {
		return err
	}
	return os.Rename(temp, r.dir)
}

// Path is the folder with the files. Do not write to them.
func (r *Rootfs) Path() string { return filepath.Join(r.dir, "fs") }

// Config is the image's configuration.
func (r *Rootfs) Config() v1.Config { return r.config }

// Close says that the files are not used any more. They stay for the next one.
func (r *Rootfs) Close() error { return r.use.Close() }

// Remove is Close, and removes the files unless others use them.
func (r *Rootfs) Remove(ctx context.Context) error {
	if err := r.Close(); err != nil {
		return err
	}
	unlock, err := r.store.Lock(ctx, "rootfs-"+filepath.Base(r.dir))
	if err != nil {
		return err
	}
	defer unlock()
	return removeUnused(r.dir)
}

// removeUnused removes unpacked files that nobody uses. Who holds the store's
// lock for them calls it.
func removeUnused(dir string) error {
	use := flock.New(dir+".use", flock.SetPermissions(0o644))
	defer use.Close()
	if ok, err := use.TryLock(); err != nil || !ok {
		return err
	}
	// Renamed first: half of the files are never taken for all. A removal that
	// was cut off may have left the name.
	gone := dir + ".gone"
	if err := removeAll(gone); err != nil {
		return err
	}
	if err := os.Rename(dir, gone); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := removeAll(gone); err != nil {
		return err
	}
	return os.Remove(dir + ".use")
}

// sweepPatience is how long files may be in somebody's hands until sweep
// leaves them to the next one.
const sweepPatience = time.Second

// sweep removes what has not been used for long, and what is left of removals
// that were cut off. keep is the caller's own.
func sweep(ctx context.Context, s *store.Store, keep string, now time.Time) {
	root := filepath.Join(s.Root(), "rootfs")
	entries, err := os.ReadDir(root)
	if err != nil {
		return
	}
	for _, e := range entries {
		path := filepath.Join(root, e.Name())
		fi, err := e.Info()
		switch {
		case err != nil || !e.IsDir() || e.Name() == keep:
		case filepath.Ext(path) == ".gone" && fi.ModTime().Before(now.Add(-time.Hour)):
			_ = removeAll(path)
		case filepath.Ext(path) == "" && fi.ModTime().Before(now.Add(-unusedAge)):
			_ = removeLocked(ctx, s, path) // the next one tries again
		}
	}
}

// removeLocked is removeUnused for files of which another process may be about
// to become a user.
func removeLocked(ctx context.Context, s *store.Store, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, sweepPatience)
	defer cancel()
	unlock, err := s.Lock(ctx, "rootfs-"+filepath.Base(dir))
	if err != nil {
		return err
	}
	defer unlock()
	return removeUnused(dir)
}

// removeAll is os.RemoveAll for trees in which a plain user has folders that
// may not be written to.
func removeAll(dir string) error {
	if err := os.RemoveAll(dir); err == nil {
		return nil
	}
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
	return os.RemoveAll(dir)
}

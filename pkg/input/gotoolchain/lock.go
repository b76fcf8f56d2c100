package gotoolchain

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/mod/sumdb/dirhash"

	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/progress"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// Lock brings a toolchain into the store and returns the input that stands for
// it in a lock, after Go's checksum database has confirmed its hash. That is
// the go command's work, which knows the database's keys and proves that the
// answer is in its log; the hash is then computed here once more.
//
// proxy is a GOPROXY list; with "" the go command uses the machine's own.
func Lock(ctx context.Context, st *store.Store, proxy, version, platform string) (lock.Input, error) {
	in := lock.Input{
		ID:      "go:" + moduleID(version, platform),
		Kind:    lock.KindGo,
		Name:    Module,
		Version: version,
		Archive: Archive,
		Path:    zipPath(version, platform),

		SignedBy: []string{ChecksumDatabase},
	}
	if err := check(version, platform); err != nil {
		return lock.Input{}, err
	}
	step := progress.Start(ctx, fmt.Sprintf("lock Go %s for %s", version, platform), 0)
	err := bring(ctx, st, proxy, version, platform, &in, step)
	step.Done(err)
	if err != nil {
		return lock.Input{}, fmt.Errorf("locking Go %s for %s: %w", version, platform, err)
	}
	return in, nil
}

// confirmed is the store's record of what the checksum database said. Its log
// only ever grows, so that the answer stays what it was.
type confirmed struct {
	SHA256 string `json:"sha256"`
	H1     string `json:"h1"`
}

const recordKind = "go-toolchain"

func bring(ctx context.Context, st *store.Store, proxy, version, platform string, in *lock.Input, step progress.Step) error {
	g, err := findGo(ctx)
	if err != nil {
		return err
	}
	// Another database may know other hashes.
	db := sha256.Sum256([]byte(g.settings["GOSUMDB"]))
	key := fmt.Sprintf("%s %x", in.Path, db)
	var c confirmed
	if found, err := st.Record(recordKind, key, &c); err != nil {
		return err
	} else if found {
		h := v1.Hash{Algorithm: "sha256", Hex: c.SHA256}
		if size, ok := st.Has(h); ok && st.Verify(h) == nil {
			step.Cached()
			in.Size, in.SHA256, in.H1 = size, c.SHA256, c.H1
			return nil
		}
	}
	dir, err := st.TempDir("go-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	d, err := g.download(ctx, dir, proxy, Module+"@"+moduleVersion(version, platform))
	if err != nil {
		return err
	}
	if err := keep(st, d, in); err != nil {
		return err
	}
	return st.PutRecord(recordKind, key, confirmed{SHA256: in.SHA256, H1: in.H1})
}

// keep copies the zip into the store and compares its h1 with the database's.
func keep(st *store.Store, d download, in *lock.Input) error {
	f, err := os.Open(d.Zip)
	if err != nil {
		return err
	}
	defer f.Close()
	w, err := st.Create()
	if err != nil {
		return err
	}
	defer w.Discard()
	size, err := io.Copy(w, f)
	if err != nil {
		return fmt.Errorf("copying the zip into the store: %w", err)
	}
	h, err := w.Commit(v1.Hash{})
	if err != nil {
		return err
	}
	h1, err := dirhash.HashZip(st.Path(h), dirhash.Hash1)
	if err == nil && h1 != d.Sum {
		err = fmt.Errorf("the zip's hash is %s, the checksum database has %s", h1, d.Sum)
	}
	if err != nil {
		return errors.Join(err, st.Remove(h))
	}
	in.Size, in.SHA256, in.H1 = size, h.Hex, h1
	return nil
}

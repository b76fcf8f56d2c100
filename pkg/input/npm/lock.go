package npm

import (
	"context"
	"crypto/sha512"
	"errors"
	"fmt"
	"io"
	"path"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// Lock brings the release into the store and returns the input that stands for
// it in a lock, after its integrity and the registry's signature hold.
func Lock(ctx context.Context, src Source, st *store.Store, keys Keys, name, version string) (lock.Input, error) {
	in, err := lockRelease(ctx, src, st, keys, name, version)
	if err != nil {
		return lock.Input{}, fmt.Errorf("locking the npm package %s %s: %w", name, version, err)
	}
	return in, nil
}

func lockRelease(ctx context.Context, src Source, st *store.Store, keys Keys, name, version string) (lock.Input, error) {
	if err := checkVersion(version); err != nil {
		return lock.Input{}, err
	}
	p, err := ReadPackument(ctx, src, name)
	if err != nil {
		return lock.Input{}, err
	}
	r, ok := p.Versions[version]
	if !ok {
		return lock.Input{}, fmt.Errorf("the registry does not have it; its latest is %s", p.DistTags["latest"])
	}
	if err := r.Dist.checkTarball(name, version); err != nil {
		return lock.Input{}, err
	}
	want, err := parseIntegrity(r.Dist.Integrity)
	if err != nil {
		return lock.Input{}, err
	}
	by, err := keys.verify(name, version, r.Dist, p.Time[version].Time)
	if err != nil {
		return lock.Input{}, err
	}
	in := lock.Input{
		ID:      "npm:" + name + "@" + version,
		Kind:    lock.KindNPM,
		Name:    name,
		Version: version,
		Archive: Archive,
		Path:    tarballPath(name, version),

		SignedBy: by,
	}
	return in, bring(ctx, src, st, want, &in)
}

// known is the store's record of a tarball that was verified before, by its
// integrity, so that locking anew does not download everything anew.
type known struct {
	SHA256 string `json:"sha256"`
}

const recordKind = "npm-tarball"

func bring(ctx context.Context, src Source, st *store.Store, want integrity, in *lock.Input) error {
	var k known
	recordKey := in.Path + " " + fmt.Sprintf("%x", want)
	if found, err := st.Record(recordKind, recordKey, &k); err != nil {
		return err
	} else if found {
		h := v1.Hash{Algorithm: "sha256", Hex: k.SHA256}
		if _, ok := st.Has(h); ok && measure(st, h, want, in) == nil {
			return nil
		}
	}
	h, err := src.Fetch(ctx, *in)
	if err != nil {
		return err
	}
	if err := measure(st, h, want, in); err != nil {
		// Nothing may find these bytes again: nobody vouched for them.
		return errors.Join(err, st.Remove(h))
	}
	return st.PutRecord(recordKind, recordKey, known{SHA256: h.Hex})
}

// measure reads the tarball once and fills in its size and hashes.
func measure(st *store.Store, h v1.Hash, want integrity, in *lock.Input) error {
	f, err := st.Stream(h)
	if err != nil {
		return fmt.Errorf("reading %s: %w", path.Base(in.Path), err)
	}
	defer f.Close()
	sum := sha512.New()
	size, err := io.Copy(sum, f)
	if err != nil {
		return fmt.Errorf("reading %s: %w", path.Base(in.Path), err)
	}
	text, err := want.match(sum)
	if err != nil {
		return err
	}
	in.Size, in.SHA256, in.Integrity = size, h.Hex, text
	return nil
}

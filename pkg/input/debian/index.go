package debian

import (
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/therootcompany/xz"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// Limits against a mirror, or a signer, gone wild. Debian's largest index has
// 10 MB compressed, 57 MB unpacked; its largest InRelease 300 KB.
const (
	maxRelease     = 8 << 20
	maxIndex       = 512 << 20
	maxXZDict      = 64 << 20
	maxInstallable = 500_000
)

// Source reads files of a mirror. Package fetch implements it.
type Source interface {
	// Get reads a small file of an archive ("debian", "debian-security") into
	// memory: at most max bytes, a larger file is an error.
	Get(ctx context.Context, archive, path string, max int64) ([]byte, error)
	// Fetch puts the file into the store and returns its hash. Where the
	// mirror does not have it the error is an fs.ErrNotExist: then the same
	// index is asked for under its other names.
	Fetch(ctx context.Context, in lock.Input) (v1.Hash, error)
}

// reader reads suites.
type reader struct {
	src  Source
	st   *store.Store
	keys openpgp.EntityList
	now  time.Time
}

// suiteRef names one suite on a mirror.
type suiteRef struct{ archive, suite string }

// release reads and verifies the suite's InRelease.
func (r *reader) release(ctx context.Context, s suiteRef, arch string) (*release, error) {
	p := path.Join("dists", s.suite, "InRelease")
	data, err := r.src.Get(ctx, s.archive, p, maxRelease)
	if err != nil {
		return nil, err
	}
	text, signers, err := verifyClearsigned(data, r.keys, r.now)
	if err != nil {
		return nil, fmt.Errorf("verifying %s of the %s archive: %w", p, s.archive, err)
	}
	rel, err := parseRelease(text)
	if err != nil {
		return nil, fmt.Errorf("reading %s of the %s archive: %w", p, s.archive, err)
	}
	if err := rel.check(s.suite, arch, r.now); err != nil {
		return nil, fmt.Errorf("refusing %s of the %s archive: %w", p, s.archive, err)
	}
	rel.signedBy = signers
	return rel, nil
}

// packages reads the suite's packages of component main.
func (r *reader) packages(ctx context.Context, s suiteRef, rel *release, arch string) ([]*record, error) {
	archs := []string{arch}
	if rel.allApart {
		archs = append(archs, "all")
	}
	origin := Selected{Archive: s.archive, Suite: s.suite, SignedBy: rel.signedBy}
	var all []*record
	for _, a := range archs {
		name := "main/binary-" + a + "/Packages"
		f, blob, ext, err := r.fetchIndex(ctx, s, rel, name)
		if err != nil {
			return nil, fmt.Errorf("reading %s of %s: %w", name, s.suite, err)
		}
		err = readIndex(r.st, blob, ext, f.size, func(p *Paragraph) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			rec, err := newRecord(p, origin)
			if err != nil {
				return err
			}
			if rec.Arch != arch && rec.Arch != "all" {
				return &SyntaxError{Line: p.Line, Msg: fmt.Sprintf("package %s is for architecture %s", rec.Name, rec.Arch)}
			}
			if len(all) == maxInstallable {
				return fmt.Errorf("more than %d packages", maxInstallable)
			}
			all = append(all, rec)
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("reading %s of %s: %w", name, s.suite, err)
		}
	}
	return all, nil
}

// fetchIndex fetches the smallest form of an index that the mirror has, by its
// hash where the suite allows that: the name by-hash never races with a mirror
// that is being updated. It returns what the signed release says of the
// unpacked index.
func (r *reader) fetchIndex(ctx context.Context, s suiteRef, rel *release, name string) (indexFile, v1.Hash, string, error) {
	plain, ok := rel.files[name]
	if !ok {
		return indexFile{}, v1.Hash{}, "", errors.New("the signed Release does not list it")
	}
	if plain.size > maxIndex {
		return indexFile{}, v1.Hash{}, "", fmt.Errorf("it has %d bytes, more than the %d allowed", plain.size, int64(maxIndex))
	}
	var missing error
	for _, ext := range []string{".xz", ".gz"} {
		f, ok := rel.files[name+ext]
		if !ok {
			continue
		}
		if f.size > maxIndex {
			return indexFile{}, v1.Hash{}, "", fmt.Errorf("it has %d bytes, more than the %d allowed", f.size, int64(maxIndex))
		}
		dir := path.Join("dists", s.suite)
		paths := []string{path.Join(dir, name+ext)}
		if rel.byHash {
			paths = append([]string{path.Join(dir, path.Dir(name), "by-hash/SHA256", f.sha256)}, paths...)
		}
		for _, p := range paths {
			want := v1.Hash{Algorithm: "sha256", Hex: f.sha256}
			got, err := r.src.Fetch(ctx, lock.Input{
				ID:   "index:" + s.suite + "/" + name,
				Kind: lock.KindDebian, Name: "Packages", Version: s.suite,
				Archive: s.archive, Path: p, Size: f.size, SHA256: f.sha256,
			})
			switch {
			case err == nil && got != want:
				return indexFile{}, v1.Hash{}, "", fmt.Errorf("%s has the hash %s, the signed Release says %s", p, got, want)
			case err == nil:
				return plain, got, ext, nil
			case !errors.Is(err, fs.ErrNotExist):
				return indexFile{}, v1.Hash{}, "", err
			}
			missing = err
		}
	}
	return indexFile{}, v1.Hash{}, "", cmp.Or(missing, errors.New("the signed Release lists it in no form that can be read (xz, gz)"))
}

// readIndex unpacks an index from the store and hands its paragraphs to each.
// The unpacked index must have exactly size bytes.
func readIndex(st *store.Store, blob v1.Hash, ext string, size int64, each func(*Paragraph) error) error {
	// Stream verifies what it gives out, at the end: nothing that was read is
	// used before.
	in, err := st.Stream(blob)
	if err != nil {
		return err
	}
	defer in.Close()
	var unpacked io.Reader
	if ext == ".gz" {
		unpacked, err = gzip.NewReader(in)
	} else {
		unpacked, err = xz.NewReader(in, maxXZDict)
	}
	if err != nil {
		return fmt.Errorf("unpacking: %w", err)
	}
	// Unpacking and parsing take turns through a pipe, on two cores.
	pr, pw := io.Pipe()
	done := make(chan error, 1)
	go func() {
		n, err := io.CopyBuffer(pw, io.LimitReader(unpacked, size+1), make([]byte, 256<<10))
		switch {
		case err != nil:
			err = fmt.Errorf("unpacking: %w", err)
		case n != size:
			err = fmt.Errorf("unpacked it has not the %d bytes that the signed Release says", size)
		default:
			_, err = io.Copy(io.Discard, in)
		}
		pw.CloseWithError(err)
		done <- err
	}()
	for p, perr := range Paragraphs(pr) {
		if err = perr; err == nil {
			err = each(p)
		}
		if err != nil {
			break
		}
	}
	pr.CloseWithError(errors.New("reading ended"))
	return cmp.Or(err, <-done)
}

package rootfs

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/md5"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/deb"
	"github.com/imgbuild/imgbuild/pkg/progress"
	"golang.org/x/sync/errgroup"
)

// unpackers is how many packages are decompressed at once. What one holds is
// the decompressor's dictionary (8 MiB for what dpkg-deb writes by default)
// and buffers, so that this bounds the memory too.
const unpackers = 3

// entry is one entry of a package's data.tar.
type entry struct {
	hdr     *tar.Header
	content *content
	// md5 is the hash of a conffile, as dpkg's status has it.
	md5 string
}

// unpackAll decompresses the packages into spools. The result is in the order
// of pkgs, whatever finished first.
func unpackAll(ctx context.Context, pkgs []Package, lim deb.Limits, spools []*spool) ([]*unpacked, error) {
	step := progress.Start(ctx, fmt.Sprintf("unpack %d packages", len(pkgs)), 0)
	out := make([]*unpacked, len(pkgs))
	g, ctx := errgroup.WithContext(ctx)
	next := make(chan int)
	g.Go(func() error {
		defer close(next)
		for i := range pkgs {
			select {
			case next <- i:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for _, s := range spools {
		g.Go(func() error {
			for i := range next {
				u, err := unpack(ctx, pkgs[i], lim, s, step)
				if err != nil {
					return fmt.Errorf("unpacking %s: %w", pkgs[i], err)
				}
				out[i] = u
			}
			return nil
		})
	}
	err := g.Wait()
	step.Done(err)
	return out, err
}

func unpack(ctx context.Context, p Package, lim deb.Limits, s *spool, step progress.Step) (*unpacked, error) {
	d, closeAll, err := open(p, lim)
	if err != nil {
		return nil, err
	}
	defer closeAll()
	u := newUnpacked(p, d)
	isConffile := map[string]bool{}
	for _, c := range u.conffiles {
		isConffile[strings.TrimPrefix(c, "/")] = true
	}
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		h, err := d.Next()
		if err == io.EOF {
			return u, s.flush()
		}
		if err != nil {
			return nil, err
		}
		e := &entry{hdr: h}
		u.entries = append(u.entries, e)
		if h.Typeflag != tar.TypeReg {
			continue
		}
		sum := md5.New()
		r := io.Reader(d)
		if isConffile[h.Name] {
			r = io.TeeReader(d, sum)
		}
		if e.content, err = s.add(r); err != nil {
			return nil, fmt.Errorf("entry %s: %w", h.Name, err)
		}
		if e.content.size != h.Size {
			return nil, fmt.Errorf("entry %s: %w", h.Name, io.ErrUnexpectedEOF)
		}
		if isConffile[h.Name] {
			e.md5 = fmt.Sprintf("%x", sum.Sum(nil))
		}
		step.Add(h.Size)
	}
}

// open opens the package and compares what it says of itself with what the
// caller believes it to be.
func open(p Package, lim deb.Limits) (*deb.Reader, func(), error) {
	f, err := p.Open()
	if err != nil {
		return nil, nil, err
	}
	d, err := deb.NewReader(io.NewSectionReader(f, 0, math.MaxInt64), lim)
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	st := d.Stanza()
	if n, v, a := st.Get("Package"), st.Get("Version"), st.Get("Architecture"); n != p.Name || v != p.Version || a != p.Arch {
		d.Close()
		f.Close()
		return nil, nil, fmt.Errorf("the file is %s %s for %s, expected %s for %s", n, v, a, p, p.Arch)
	}
	return d, func() { d.Close(); f.Close() }, nil
}

func newUnpacked(p Package, d *deb.Reader) *unpacked {
	u := &unpacked{Package: p, stanza: d.Stanza(), control: d.Control(), lost: map[string]bool{}}
	for line := range bytes.Lines(u.controlText("conffiles")) {
		// A flag (remove-on-upgrade) marks files that are not in the package.
		if f := strings.TrimSpace(string(line)); strings.HasPrefix(f, "/") {
			u.conffiles = append(u.conffiles, f)
		}
	}
	return u
}

// ReadControl reads the packages' control files without their data, in the
// order of pkgs.
func ReadControl(ctx context.Context, pkgs []Package) ([]ControlFile, error) {
	perPkg := make([][]ControlFile, len(pkgs))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(unpackers)
	for i, p := range pkgs {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			d, closeAll, err := open(p, deb.Limits{})
			if err != nil {
				return fmt.Errorf("reading the control files of %s: %w", p, err)
			}
			defer closeAll()
			for _, c := range d.Control() {
				perPkg[i] = append(perPkg[i], ControlFile{Package: p.Name, Name: c.Name, Text: c.Text})
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var all []ControlFile
	for _, c := range perPkg {
		all = append(all, c...)
	}
	return all, nil
}

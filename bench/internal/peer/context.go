package peer

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/imgbuild/imgbuild/bench/internal/workshop"
	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/lock"
)

// Context is a folder with a Dockerfile that makes golang's newest full image
// from the very files that imgbuild has in its store.
type Context struct {
	Dir    string
	base   string // OCI layout
	digest string // of the image in it
}

// dockerfile does less than imgbuild: no package database, no alternatives, no
// ld.so.cache, no users, and no file is the same twice. All .debs are unpacked
// in one RUN by dpkg-deb itself, on all cores; what Debian's slim images leave
// out goes before it would be copied; the zip is unpacked on all cores, without
// the files that golang's definition leaves out.
const dockerfile = `FROM base AS unpack
RUN --mount=type=bind,target=/in \
    mkdir /out && cd /in/debs && ls *.deb | xargs -P "$(nproc)" -I{} sh -c 'mkdir /tmp/{} && dpkg-deb -x {} /tmp/{}' && \
    for d in /tmp/*.deb; do \
      rm -rf "$d"/usr/share/man "$d"/usr/share/info "$d"/usr/share/locale && \
      if [ -d "$d/usr/share/doc" ]; then find "$d/usr/share/doc" -type f ! -name copyright -delete; fi && \
      cp -al "$d/." /out/; \
    done
RUN --mount=type=bind,target=/in /in/unzip /in/go.zip /out/usr/local/go EXCLUDE
FROM scratch
COPY --from=unpack /out /
COPY --chmod=755 shim /usr/local/bin/shim
ENTRYPOINT ["/usr/local/bin/shim"]
`

// NewContext writes the folder. The store must have golang's inputs and shim.
func NewContext(ctx context.Context, w *workshop.Workshop) (*Context, error) {
	c := &Context{Dir: filepath.Join(w.Dir, "context"), base: filepath.Join(w.Dir, "base")}
	if err := c.writeBase(ctx, w); err != nil {
		return nil, fmt.Errorf("making the peer's builder stage: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(c.Dir, "debs"), 0o755); err != nil {
		return nil, err
	}
	exclude, err := c.copyInputs(w)
	if err != nil {
		return nil, fmt.Errorf("copying golang's inputs for the peer: %w", err)
	}
	if _, err := workshop.Compile(ctx, w.Root, filepath.Join(c.Dir, "unzip"), "./bench/cold/unzip"); err != nil {
		return nil, err
	}
	var quoted []string
	for _, e := range exclude {
		quoted = append(quoted, "'"+e+"'")
	}
	text := strings.Replace(dockerfile, "EXCLUDE", strings.Join(quoted, " "), 1)
	return c, os.WriteFile(filepath.Join(c.Dir, "Dockerfile"), []byte(text), 0o644)
}

// copyInputs copies what golang's newest full image for linux/amd64 is made
// from, and returns what its definition leaves out of the toolchain.
func (c *Context) copyInputs(w *workshop.Workshop) (exclude []string, err error) {
	loaded, err := definition.Load("golang")
	if err != nil {
		return nil, err
	}
	l, err := lock.Load(loaded)
	if err != nil {
		return nil, err
	}
	i := l.Images[0]
	for n, locked := range i.Layers {
		inputs, err := l.FindAll(locked.Inputs)
		if err != nil {
			return nil, err
		}
		if g := loaded.Definition.Variant(i.Variant).Layers[n].Go; g != nil {
			exclude = g.Exclude
		}
		for k, in := range inputs {
			name := "go.zip"
			if in.Kind == lock.KindDebian {
				name = fmt.Sprintf("debs/%03d.deb", k)
			}
			if err := copyFile(filepath.Join(w.Store, "blobs", "sha256", in.SHA256), filepath.Join(c.Dir, filepath.FromSlash(name))); err != nil {
				return nil, err
			}
		}
	}
	return exclude, nil
}

// writeBase exports golang's image as an OCI layout, and the shim that is in it.
func (c *Context) writeBase(ctx context.Context, w *workshop.Workshop) error {
	archive := filepath.Join(w.Dir, "base.tar")
	s, err := w.Run(ctx, "golang", "--json", "--output", "type=oci,dest="+archive)
	if err != nil {
		return err
	}
	var results []struct{ Digest string }
	if err := json.Unmarshal(s.Stdout, &results); err != nil || len(results) != 1 {
		return fmt.Errorf("one result was expected: %s", s.Stdout)
	}
	c.digest = results[0].Digest
	if err := errors.Join(os.MkdirAll(c.base, 0o755), os.MkdirAll(c.Dir, 0o755)); err != nil {
		return err
	}
	if err := untar(archive, c.base); err != nil {
		return err
	}
	return errors.Join(os.Remove(archive), w.CopyShim(filepath.Join(c.Dir, "shim")))
}

func untar(archive, dir string) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag == tar.TypeDir {
			if err := root.MkdirAll(filepath.Clean(h.Name), 0o755); err != nil {
				return err
			}
			continue
		}
		if err := root.MkdirAll(filepath.Dir(h.Name), 0o755); err != nil {
			return err
		}
		out, err := root.Create(h.Name)
		if err != nil {
			return err
		}
		_, err = io.Copy(out, r)
		if err := errors.Join(err, out.Close()); err != nil {
			return err
		}
	}
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

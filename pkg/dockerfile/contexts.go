package dockerfile

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/moby/buildkit/client"
	"github.com/tonistiigi/fsutil"

	"github.com/imgbuild/imgbuild/pkg/source"
)

// ParseContext reads NAME=VALUE, where VALUE is a folder, docker-image://REF,
// oci-layout://PATH[:TAG|@DIGEST], or a URL that the builder fetches.
func ParseContext(s string) (name, value string, err error) {
	name, value, ok := strings.Cut(s, "=")
	if !ok || name == "" || value == "" {
		return "", "", fmt.Errorf("%q: write NAME=PATH, NAME=docker-image://REF or NAME=oci-layout://PATH", s)
	}
	switch {
	case strings.HasPrefix(value, "docker-image://"), URL(value):
		return name, value, nil
	case strings.HasPrefix(value, "oci-layout://"):
		n, err := source.Parse(strings.TrimPrefix(value, "oci-layout://"))
		if err == nil && n.Path == "" {
			err = fmt.Errorf("there is no OCI layout %s", strings.TrimPrefix(value, "oci-layout://"))
		}
		return name, value, err
	case strings.Contains(value, "://"):
		return "", "", fmt.Errorf("%q: a context is a folder, docker-image://, oci-layout://, or a URL of http, https, git or ssh", s)
	}
	info, err := os.Stat(value)
	if err != nil {
		return "", "", fmt.Errorf("the context %s: %w", name, err)
	}
	if !info.IsDir() {
		return "", "", fmt.Errorf("the context %s: %s is a file; give a folder", name, value)
	}
	return name, value, nil
}

// contexts gives the builder the named contexts.
func (w *work) contexts(o *client.SolveOpt) error {
	for name, value := range w.Contexts {
		key := "context:" + contextKey(name)
		layout, isLayout := strings.CutPrefix(value, "oci-layout://")
		switch {
		case isLayout:
			n, err := source.Parse(layout)
			if err != nil {
				return err
			}
			// Its blobs are read while the builder works.
			s, err := source.Open(context.Background(), w.store, n, "")
			if err != nil {
				return err
			}
			w.closers = append(w.closers, s)
			d, err := w.blobs.Hand(s.Image, s.Index)
			if err != nil {
				return err
			}
			o.FrontendAttrs[key] = layoutContext(d)
		case strings.HasPrefix(value, "docker-image://"), URL(value):
			o.FrontendAttrs[key] = value
		default:
			folder, err := fsutil.NewFS(value)
			if err != nil {
				return fmt.Errorf("the context %s: %w", name, err)
			}
			mount := "context-" + name // never context or dockerfile
			o.LocalMounts[mount] = folder
			o.FrontendAttrs[key] = "local:" + mount
		}
	}
	return nil
}

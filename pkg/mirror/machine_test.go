package mirror

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// fake is a machine of the files that a test names: absolute paths are under
// its root, with the user's home at /home/user and the working directory at
// /work. Its clients answer as the test says.
type fake struct {
	*machine
	asked []string
}

func newFake(t *testing.T, files map[string]string, environ []string, clients map[string]string) *fake {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for i, kv := range environ {
		environ[i] = strings.ReplaceAll(kv, "ROOT", root)
	}
	f := &fake{machine: &machine{
		root: root, dir: filepath.Join(root, "work"), home: filepath.Join(root, "home/user"), environ: environ,
		look: func(name string) (string, error) {
			if name == "node" {
				return filepath.Join(root, "opt/node/bin/node"), nil
			}
			return "", exec.ErrNotFound
		},
	}}
	f.ask = func(ctx context.Context, name string, args ...string) (string, error) {
		f.asked = append(f.asked, name)
		if answer, ok := clients[name]; ok {
			return answer, ctx.Err()
		}
		return "", errors.New("no such client")
	}
	return f
}

func (f *fake) mirrors(t *testing.T, flags map[string]string) *Mirrors {
	t.Helper()
	m, err := New(Options{Flags: flags, machine: f.machine})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// bases returns the URLs of an archive, and who named the first of them with
// the fake's root taken off.
func (f *fake) bases(t *testing.T, m *Mirrors, archive string) (urls, from string) {
	t.Helper()
	bases, err := m.Bases(t.Context(), archive)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, b := range bases {
		if b.Archive != archive {
			t.Errorf("%s: a place of %s", b, b.Archive)
		}
		all = append(all, b.URL)
	}
	return strings.Join(all, " "), strings.ReplaceAll(bases[0].From, f.root, "")
}

package frontend

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/moby/buildkit/client/llb"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/tonistiigi/fsutil"
	fstypes "github.com/tonistiigi/fsutil/types"

	"github.com/imgbuild/imgbuild/images"
	"github.com/imgbuild/imgbuild/pkg/definition"
)

// onDisk is a folder on this machine as BuildKit gives it away: errors come
// as texts, and no answer is larger than BuildKit's may be.
type onDisk struct{ dir string }

func (r onDisk) ToState() (llb.State, error)    { return llb.State{}, errors.ErrUnsupported }
func (r onDisk) Evaluate(context.Context) error { return nil }

func (r onDisk) ReadFile(_ context.Context, req gateway.ReadRequest) ([]byte, error) {
	f, err := os.Open(filepath.Join(r.dir, req.Filename))
	if err != nil {
		return nil, errors.New(err.Error())
	}
	defer f.Close()
	if req.Range == nil || req.Range.Length > 16<<20 {
		return nil, errors.New("received message larger than max")
	}
	return io.ReadAll(io.NewSectionReader(f, int64(req.Range.Offset), int64(req.Range.Length)))
}

func (r onDisk) StatFile(_ context.Context, req gateway.StatRequest) (*fstypes.Stat, error) {
	s, err := fsutil.Stat(filepath.Join(r.dir, req.Path))
	if err != nil {
		return nil, errors.New(err.Error())
	}
	return s, nil
}

func (r onDisk) ReadDir(context.Context, gateway.ReadDirRequest) ([]*fstypes.Stat, error) {
	return nil, errors.ErrUnsupported
}

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	large := make([]byte, 20<<20)
	for i := range large {
		large[i] = byte(i >> 12)
	}
	for name, content := range map[string][]byte{"small": []byte("a\n"), "large": large, "empty": nil} {
		if err := os.MkdirAll(filepath.Join(dir, "def"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "def", name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f := folder{t.Context(), onDisk{dir}, "def/"}
	for _, name := range []string{"small", "large", "empty"} {
		file, err := f.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(file)
		want, _ := os.ReadFile(filepath.Join(dir, "def", name))
		if err != nil || string(got) != string(want) {
			t.Errorf("%s has %d bytes, want %d: %v", name, len(got), len(want), err)
		}
	}
	if _, err := f.Open("nowhere"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	if _, err := f.Open("../def/small"); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("a path out of the folder: %v", err)
	}
}

// A definition is the same from BuildKit and from disk, with its files.
func TestDefinitionFromBuildKit(t *testing.T) {
	for _, name := range images.Names() {
		dir := t.TempDir()
		own, _ := images.Open(name)
		if err := os.CopyFS(filepath.Join(dir, "some", "where"), own); err != nil {
			t.Fatal(err)
		}
		got, err := definition.LoadFrom(folder{t.Context(), onDisk{dir}, "some/where/"}, "some/where", "image.yaml")
		if err != nil {
			t.Fatal(err)
		}
		want, err := definition.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		if got.Digest() != want.Digest() || got.LockPath() != fmt.Sprintf("some/where/%s", definition.LockName) || len(got.Files) != len(want.Files) {
			t.Errorf("%s is another definition, with the lock %s", name, got.LockPath())
		}
		if _, err := got.ReadLock(); err != nil {
			t.Error(err)
		}
	}
}

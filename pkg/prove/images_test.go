package prove_test

import (
	"context"
	"os"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/build"
	"github.com/imgbuild/imgbuild/pkg/container"
	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/fetch"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/mirror"
	"github.com/imgbuild/imgbuild/pkg/prove"
	"github.com/imgbuild/imgbuild/pkg/store"
)

func TestMain(m *testing.M) {
	container.Main()
	os.Exit(m.Run())
}

// workshop is what images are built with.
type workshop struct {
	store *store.Store
	fetch *fetch.Fetcher
	shim  *build.CompiledShim
}

func newWorkshop(t testing.TB, s *store.Store) *workshop {
	t.Helper()
	m, err := mirror.New(mirror.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f, err := fetch.New(s, m)
	if err != nil {
		t.Fatal(err)
	}
	_, golang := loaded(t, "golang")
	shim, err := build.NewCompiledShim(s, f, golang)
	if err != nil {
		t.Fatal(err)
	}
	return &workshop{s, f, shim}
}

func loaded(t testing.TB, name string) (*definition.Loaded, *lock.Lock) {
	t.Helper()
	d, err := definition.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	l, err := lock.Load(d)
	if err != nil {
		t.Fatal(err)
	}
	return d, l
}

// build makes one of the images inside imgbuild for this machine.
func (w *workshop) build(t testing.TB, name, tag, platform string) v1.Image {
	t.Helper()
	d, l := loaded(t, name)
	selected, err := lock.Select(d.Definition, l, lock.Query{Tag: tag, Platforms: []string{platform}})
	if err != nil {
		t.Fatal(err)
	}
	n := &build.Native{Store: w.store, Fetch: w.fetch, Shim: w.shim}
	images, err := n.Build(t.Context(), []build.Request{{Definition: d.Definition, Lock: l, Image: selected[0].Platforms[0]}})
	if err != nil {
		t.Fatal(err)
	}
	return images[0]
}

func (w *workshop) prover(t testing.TB, afresh bool) *prove.Prover {
	t.Helper()
	p, err := prove.New(w.store, prove.Options{
		Toolchain: w.shim.Toolchain, Afresh: afresh,
		Fetch: func(ctx context.Context, in lock.Input) (v1.Hash, error) { return w.fetch.Fetch(ctx, in) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

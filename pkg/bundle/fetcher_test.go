package bundle

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/fetch"
	"github.com/imgbuild/imgbuild/pkg/input/inputtest"
	"github.com/imgbuild/imgbuild/pkg/lock"
)

// Every input comes out of a file with its own bytes.
func TestFile(t *testing.T) {
	w := newWorld(t)
	r, other := w.request(t, "golang", "beta"), w.request(t, "node", "gamma")
	ref := w.file(t, r, other)
	st := inputtest.Store(t)
	next := &world{store: st, err: gone}
	f := Fetcher(next, open(t, st, ref))
	ins := append(all(t, r), all(t, other)...)
	if err := f.All(t.Context(), ins); err != nil {
		t.Fatal(err)
	}
	for _, in := range ins {
		got, err := os.ReadFile(st.Path(hash(in)))
		if err != nil || !bytes.Equal(got, w.files[in.SHA256]) {
			t.Errorf("%s: %d bytes, %v", in.ID, len(got), err)
		}
	}
	// They are in the store now.
	asked := len(next.asked)
	if err := f.All(t.Context(), ins); err != nil || len(next.asked) != asked {
		t.Errorf("again: %v, %d more asked for", err, len(next.asked)-asked)
	}
	lacking := w.input(lock.KindDebian, "delta", "amd64", 10)
	_, err := f.Fetch(t.Context(), lacking)
	if !errors.Is(err, error(gone)) || !strings.Contains(err.Error(), "delta 1: ") || !strings.Contains(err.Error(), "the bundle "+ref+" does not have it") {
		t.Errorf("what nobody has: %v", err)
	}
}

// Store, mirrors, bundles in their order; a mirror that is down comes last from
// then on, and offline it is not asked for what a bundle has.
func TestOrder(t *testing.T) {
	w := newWorld(t)
	r, other := w.request(t, "golang", "beta"), w.request(t, "node", "gamma")
	a, b := w.file(t, r), w.file(t, other)
	alpha, beta, gamma := r.Lock.Inputs[0], r.Lock.Inputs[2], other.Lock.Inputs[2]
	if !strings.Contains(gamma.ID, "gamma") || !strings.Contains(beta.ID, "beta") {
		t.Fatalf("%s %s", beta.ID, gamma.ID)
	}
	fetchAll := func(f interface {
		Fetch(context.Context, lock.Input) (v1.Hash, error)
	}, ins ...lock.Input) {
		t.Helper()
		for _, in := range ins {
			if _, err := f.Fetch(t.Context(), in); err != nil {
				t.Errorf("%s: %v", in.ID, err)
			}
		}
	}
	t.Run("a mirror that has it", func(t *testing.T) {
		next := w.at(inputtest.Store(t))
		fetchAll(Fetcher(next, open(t, next.store, "nowhere.example.com/x:1")), alpha)
	})
	t.Run("a mirror that has moved on", func(t *testing.T) {
		next := &world{store: inputtest.Store(t), err: gone}
		fetchAll(Fetcher(next, open(t, next.store, a), open(t, next.store, b)), alpha, beta, gamma)
		if len(next.asked) != 3 {
			t.Errorf("the mirror was asked for %v", next.asked)
		}
	})
	t.Run("a mirror that is down", func(t *testing.T) {
		next := &world{store: inputtest.Store(t), err: errors.New("connection refused")}
		f := Fetcher(next, open(t, next.store, a), open(t, next.store, b))
		fetchAll(f, alpha, beta, gamma)
		if len(next.asked) != 1 {
			t.Errorf("the mirror was asked for %v", next.asked)
		}
		next.err, next.files = nil, w.files
		fetchAll(f, w.input(lock.KindDebian, "delta", "amd64", 10))
		if len(next.asked) != 2 {
			t.Errorf("the mirror was not asked for what the bundles lack: %v", next.asked)
		}
	})
	t.Run("offline", func(t *testing.T) {
		next := &offline{world{store: inputtest.Store(t), err: &fetch.OfflineError{Path: "delta"}}}
		f := Fetcher(next, open(t, next.store, a), open(t, next.store, b))
		fetchAll(f, alpha, beta, gamma)
		if len(next.asked) != 0 {
			t.Errorf("offline, %v were asked for", next.asked)
		}
		_, err := f.Fetch(t.Context(), w.input(lock.KindDebian, "delta", "amd64", 10))
		if !errors.As(err, new(*fetch.OfflineError)) || !strings.Contains(err.Error(), a+" does not have it") {
			t.Errorf("what no bundle has: %v", err)
		}
	})
	t.Run("what a lock does not know yet", func(t *testing.T) {
		next := &world{store: inputtest.Store(t), err: gone}
		_, err := Fetcher(next, open(t, next.store, a)).Fetch(t.Context(), lock.Input{ID: "new", Archive: "debian"})
		if err != error(gone) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("no bundles", func(t *testing.T) {
		if next := newWorld(t); Fetcher(next) != next {
			t.Error("a fetcher without bundles is another one")
		}
	})
}

type offline struct{ world }

func (*offline) Offline() bool { return true }

// A fetch that ends does not spoil the bundle for the next one.
func TestCancelled(t *testing.T) {
	w := newWorld(t)
	r := w.request(t, "golang", "beta")
	st := inputtest.Store(t)
	f := Fetcher(&world{store: st, err: gone}, open(t, st, w.file(t, r)))
	ctx, cancel := context.WithCancelCause(t.Context())
	stopped := errors.New("stopped")
	cancel(stopped)
	if _, err := f.Fetch(ctx, r.Lock.Inputs[0]); !errors.Is(err, stopped) && !errors.Is(err, error(gone)) {
		t.Errorf("got %v", err)
	}
	if _, err := f.Fetch(t.Context(), r.Lock.Inputs[0]); err != nil {
		t.Error(err)
	}
}

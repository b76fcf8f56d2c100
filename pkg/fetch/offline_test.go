package fetch

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/mirror"
)

// noNetwork fails the test at the first request.
type noNetwork struct{ t *testing.T }

func (n noNetwork) RoundTrip(r *http.Request) (*http.Response, error) {
	n.t.Errorf("request for %s", r.URL)
	return nil, errors.New("no network")
}

func TestOffline(t *testing.T) {
	st := openStore(t)
	w, err := st.Create()
	if err != nil {
		t.Fatal(err)
	}
	w.Write([]byte("here"))
	if _, err := w.Commit(hash(t, input([]byte("here")))); err != nil {
		t.Fatal(err)
	}
	f := fetcher(t, st, "http://mirror.example/debian", Offline(), Transport(noNetwork{t}))

	fetched(t, st, f, input([]byte("here")), []byte("here"))
	_, missing := f.Fetch(t.Context(), input([]byte("not here")))
	_, noHash := f.Fetch(t.Context(), lock.Input{Name: "thing", Version: "1", Archive: mirror.Debian, Path: "x"})
	_, get := f.Get(t.Context(), mirror.NPM, "thing", 10)
	_, exists := f.Exists(t.Context(), mirror.NPM, "thing")
	for what, err := range map[string]error{"thing 1": errors.Join(missing, noHash), "thing": errors.Join(get, exists)} {
		for _, err := range err.(interface{ Unwrap() []error }).Unwrap() {
			var off *OfflineError
			if !errors.As(err, &off) || !strings.HasPrefix(err.Error(), what+" is not in the store") {
				t.Errorf("%v", err)
			}
		}
	}
}

// TestStoredNeedsNoNetwork is the build with everything in the store, not
// told to be offline.
func TestStoredNeedsNoNetwork(t *testing.T) {
	st := openStore(t)
	w, err := st.Create()
	if err != nil {
		t.Fatal(err)
	}
	w.Write([]byte("here"))
	if _, err := w.Commit(hash(t, input([]byte("here")))); err != nil {
		t.Fatal(err)
	}
	f := fetcher(t, st, "http://mirror.example/debian", Transport(noNetwork{t}))
	if err := f.All(t.Context(), []lock.Input{input([]byte("here"))}); err != nil {
		t.Error(err)
	}
}

package push_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/imgbuild/imgbuild/pkg/push"
)

// temporary makes logins of which the token service takes the newest only.
type temporary struct {
	mu   sync.Mutex
	made int
	err  error
}

func (l *temporary) password() string { return fmt.Sprintf("temporary-s3cret-%d", l.made) }

func (l *temporary) Login(context.Context, string) (*push.Login, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return nil, l.err
	}
	l.made++
	return &push.Login{Username: "user", Password: l.password(), Expires: time.Now().Add(time.Hour), From: "a test"}, nil
}

func (*temporary) Ways(string) string { return "or turn the key" }

// temporaryServer takes the logins of l at its token service. Its tokens end
// after a few requests.
func temporaryServer(t *testing.T, l *temporary) *server {
	s, k := tokenServer(t)
	inner := s.between
	n := 0
	s.misbehave(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if _, password, ok := r.BasicAuth(); ok {
			if password != l.password() {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			r.SetBasicAuth("user", "s3cret-password")
		} else if r.Header.Get("Authorization") != "" {
			if n++; n%3 == 0 {
				l.made++ // and the login with it
				w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+s.host()+`/token",service="registry",error="invalid_token"`)
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
		}
		inner(w, r, next)
	})
	k.life = time.Minute
	return s
}

// TestLoginEnds: the temporary login ends with the token, over and over, in the
// middle of uploads.
func TestLoginEnds(t *testing.T) {
	l := &temporary{}
	s := temporaryServer(t, l)
	img := ociImage(t, randomLayer(t, 1<<20), randomLayer(t, 400<<10), randomLayer(t, 100))
	p := newPusher(t, push.WithLogins(l), push.WithSlots(1), push.WithChunk(256<<10))
	if _, err := p.Push(t.Context(), push.Request{Image: img, Repository: repository(t, s.host(), "golang"), Tags: []string{"1"}}); err != nil {
		t.Fatal(err)
	}
	if l.made < 4 {
		t.Errorf("%d logins; want some more", l.made)
	}
}

// TestLoginAfterKeychain: who has logged in is not asked for anything else.
func TestLoginAfterKeychain(t *testing.T) {
	s, _ := tokenServer(t)
	l := &temporary{err: errors.New("nobody may ask")}
	req := push.Request{Image: ociImage(t, randomLayer(t, 100)), Repository: repository(t, s.host(), "golang"), Tags: []string{"1"}}
	if _, err := newPusher(t, push.WithKeychain(login{"user", "s3cret-password"}), push.WithLogins(l)).Push(t.Context(), req); err != nil {
		t.Error(err)
	}
}

// none makes no logins.
type none struct{}

func (none) Login(context.Context, string) (*push.Login, error) { return nil, nil }
func (none) Ways(host string) string                            { return "or turn the key of " + host }

// stale makes a login that nobody takes.
type stale struct{ none }

func (stale) Login(context.Context, string) (*push.Login, error) {
	return &push.Login{Username: "user", Password: "wr0ng-password", From: "a test"}, nil
}

type failing struct{ none }

func (failing) Login(context.Context, string) (*push.Login, error) {
	return nil, errors.New("the key does not turn; oil it")
}

func TestLoginRefused(t *testing.T) {
	s, _ := tokenServer(t)
	req := push.Request{Image: ociImage(t, randomLayer(t, 100)), Repository: repository(t, s.host(), "golang"), Tags: []string{"1"}}
	for name, tc := range map[string]struct {
		logins push.Logins
		chain  authn.Keychain
		want   []string
	}{
		"none":    {none{}, authn.DefaultKeychain, []string{"has none for it; run `docker login", "or turn the key of " + s.host()}},
		"stale":   {stale{}, authn.DefaultKeychain, []string{"does not accept the temporary login that was got with a test", "/token answers 401"}},
		"failing": {failing{}, authn.DefaultKeychain, []string{"the key does not turn; oil it"}},
		"docker":  {none{}, login{"user", "wr0ng-password"}, []string{"in the docker configuration", "docker logout " + s.host() + "` or turn the key"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newPusher(t, push.WithLogins(tc.logins), push.WithKeychain(tc.chain)).Push(t.Context(), req)
			for _, want := range tc.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("the error lacks %q: %v", want, err)
				}
			}
			if err != nil && strings.Contains(err.Error(), "wr0ng") {
				t.Errorf("the error shows the password: %v", err)
			}
		})
	}
}

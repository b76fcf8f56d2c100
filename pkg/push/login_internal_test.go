package push

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
)

func TestRenewAt(t *testing.T) {
	now := time.Now()
	for life, want := range map[time.Duration]time.Duration{
		time.Hour:        55 * time.Minute,
		10 * time.Minute: 8 * time.Minute,
		time.Minute:      time.Minute, // not with every request
		-time.Hour:       time.Minute, // nor where a clock is wrong
	} {
		if got := renewAt(&Login{Expires: now.Add(life)}, now).Sub(now); got != want {
			t.Errorf("a login of %s is made anew after %s; want %s", life, got, want)
		}
	}
}

// counted makes logins that live for life.
type counted struct {
	n    int
	life time.Duration
	err  error
}

func (c *counted) Login(context.Context, string) (*Login, error) {
	if c.err != nil {
		return nil, c.err
	}
	c.n++
	l := &Login{Username: "user", Password: fmt.Sprint(c.n)}
	if c.life != 0 {
		l.Expires = time.Now().Add(c.life)
	}
	return l, nil
}

func (*counted) Ways(string) string { return "" }

func TestLoginIsRenewed(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	logins := &counted{life: time.Hour}
	o, err := newOptions([]Option{WithLogins(logins)})
	if err != nil {
		t.Fatal(err)
	}
	a := newAuth(newHost("registry.example.com", o))
	a.asked = &challenge{scheme: "basic"}
	want := func(password string) {
		t.Helper()
		got, err := a.header(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if want := "Basic " + base64.StdEncoding.EncodeToString([]byte("user:"+password)); got != want {
			t.Errorf("header %s; want %s", got, want)
		}
	}
	want("1")
	want("1")
	a.renew = time.Now().Add(-time.Second)
	want("2")

	// It cannot be renewed now, and is still good.
	logins.err = errors.New("no network")
	a.renew = time.Now().Add(-time.Second)
	want("2")
	if wait := time.Until(a.renew); wait < 20*time.Second || wait > renewAgain {
		t.Errorf("the next try is in %s", wait)
	}
	// It is not good any more.
	a.renew, a.login.Expires = time.Now().Add(-time.Second), time.Now().Add(time.Second)
	if h, err := a.header(t.Context(), nil); err == nil || err.Error() != "no network" {
		t.Errorf("header %q, error %v; want that of the renewal", h, err)
	}
	logins.err, logins.life = nil, 0
	want("3")
	if !a.renew.IsZero() {
		t.Error("a login without an end is to be renewed")
	}
	// One that the registry refuses is made anew at once.
	got, err := a.challenged(t.Context(), &Error{Status: 401, challenges: []challenge{{scheme: "basic"}}}, nil, "Basic "+base64.StdEncoding.EncodeToString([]byte("user:3")))
	if want := "Basic " + base64.StdEncoding.EncodeToString([]byte("user:4")); err != nil || got != want {
		t.Errorf("header %s, error %v; want %s", got, err, want)
	}
	if *a.config != (authn.AuthConfig{Username: "user", Password: "4"}) {
		t.Error("another login is kept")
	}
}

package push

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
)

// Login is a user and password for one registry.
type Login struct {
	Username, Password string
	// Expires is when the registry takes it no more; zero is never.
	Expires time.Time
	// From says to people where it comes from.
	From string
}

// Logins makes logins for registries that the keychain has none for. It must be
// safe for concurrent use.
type Logins interface {
	// Login returns a login for the host, a new one every time, or nil where
	// there is none to be had. Its errors show no secret and say what to do.
	Login(ctx context.Context, host string) (*Login, error)
	// Ways says what can be done so that there is a login for the host, to
	// follow "run `docker login`"; "" for hosts that it makes none for.
	Ways(host string) string
}

// WithLogins sets what makes logins for hosts that the keychain has none for.
// They are made anew before they expire, also in the middle of a push, and once
// where a registry no longer takes one.
func WithLogins(l Logins) Option {
	return func(o *options) error {
		if l == nil {
			return errors.New("push: no logins")
		}
		o.logins = l
		return nil
	}
}

type noLogins struct{}

func (noLogins) Login(context.Context, string) (*Login, error) { return nil, nil }
func (noLogins) Ways(string) string                            { return "" }

const (
	loginPatience = time.Minute      // to make one
	renewAhead    = 5 * time.Minute  // of its end
	renewAgain    = 30 * time.Second // after that failed
)

// renewAt is when a login got now is made anew: some minutes before its end, or
// in its last fifth where it is short. A clock that is wrong must not make
// every request ask for one.
func renewAt(l *Login, now time.Time) time.Time {
	life := l.Expires.Sub(now)
	return now.Add(max(life-min(renewAhead, life/5), time.Minute))
}

// logIn gets a login where the keychain has nothing.
func (a *auth) logIn(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, loginPatience, &stalledError{where: "what makes logins for " + a.host.name, patience: loginPatience})
	defer cancel()
	l, err := a.host.o.logins.Login(ctx, a.host.name)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		return &credentialsError{why: err.Error(), err: err}
	}
	a.login = l
	if l == nil {
		a.config = &authn.AuthConfig{}
		return nil
	}
	a.config = &authn.AuthConfig{Username: l.Username, Password: l.Password}
	a.renew = time.Time{}
	if !l.Expires.IsZero() {
		a.renew = renewAt(l, time.Now())
	}
	return nil
}

// renewLogin makes the login anew when its time has come. While the old one is
// good, a failure to get a new one is none.
func (a *auth) renewLogin(ctx context.Context) error {
	now := time.Now()
	if a.login == nil || a.renew.IsZero() || now.Before(a.renew) {
		return nil
	}
	old := a.login
	err := a.logIn(ctx)
	if err != nil && ctx.Err() == nil && now.Add(renewAgain).Before(old.Expires) {
		a.renew = now.Add(renewAgain)
		return nil
	}
	return err
}

// forget has the credentials looked up anew.
func (a *auth) forget() { a.config, a.login = nil, nil }

// refused is what is told of credentials that the registry, or its token
// service, does not take; what says who answered how.
func (a *auth) refused(what string) error {
	if a.login != nil {
		return &credentialsError{why: fmt.Sprintf("%s does not accept the temporary login that was got with %s (%s); check that they belong to the account that owns the registry, or run `docker login %[1]s`", a.host.name, a.login.From, what)}
	}
	next := fmt.Sprintf("run `docker login %s` again", a.host.name)
	if ways := a.host.o.logins.Ways(a.host.name); ways != "" {
		next += fmt.Sprintf(", or run `docker logout %s` %s", a.host.name, ways)
	}
	return &credentialsError{why: fmt.Sprintf("%s does not accept the user or the password in the docker configuration (%s); %s", a.host.name, what, next)}
}

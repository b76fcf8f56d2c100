package push

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// tokenPatience limits one request to a token service.
const tokenPatience = 30 * time.Second

// auth makes a host's Authorization headers. It learns from the first 401 how
// the registry wants to be asked; until then nothing is sent, so that a
// registry without users costs no lookup of credentials.
type auth struct {
	host *host

	mu     sync.Mutex
	asked  *challenge
	config *authn.AuthConfig
	login  *Login           // config is made from it; nil: config is the keychain's
	renew  time.Time        // when login is made anew; zero is never
	tokens map[string]token // by scopes
	// asking has what is closed when a token that is being asked for is there,
	// or is not to be had, by scopes.
	asking map[string]chan struct{}
}

type token struct {
	header  string
	expires time.Time
}

func newAuth(h *host) *auth {
	return &auth{host: h, tokens: map[string]token{}, asking: map[string]chan struct{}{}}
}

// header is what requests of these scopes carry, "" while nobody asked.
func (a *auth) header(ctx context.Context, scopes []string) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.headerLocked(ctx, scopes)
}

func (a *auth) headerLocked(ctx context.Context, scopes []string) (string, error) {
	if a.asked == nil {
		return "", nil
	}
	if err := a.resolve(ctx); err != nil {
		return "", err
	}
	if a.asked.scheme == "basic" {
		if a.anonymous() {
			return "", a.none()
		}
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(a.config.Username+":"+a.config.Password)), nil
	}
	if a.config.RegistryToken != "" {
		return "Bearer " + a.config.RegistryToken, nil
	}
	key := strings.Join(scopes, " ")
	if t, ok := a.tokens[key]; ok && time.Now().Before(t.expires) {
		return t.header, nil
	}
	if there, busy := a.asking[key]; busy {
		if err := a.unlocked(func() error { return waitFor(ctx, there) }); err != nil {
			return "", err
		}
		return a.headerLocked(ctx, scopes)
	}
	there := make(chan struct{})
	a.asking[key] = there
	defer func() {
		delete(a.asking, key)
		close(there)
	}()
	login := a.login
	t, err := a.exchange(ctx, scopes)
	if e, ok := errors.AsType[*transport.Error](err); ok && refusesLogin(e) && login != nil {
		// Perhaps it ended before its time.
		if a.login == login {
			a.forget()
		}
		if err := a.resolve(ctx); err != nil {
			return "", err
		}
		t, err = a.exchange(ctx, scopes)
	}
	if err != nil {
		return "", a.exchangeError(ctx, err)
	}
	a.tokens[key] = t
	return t.header, nil
}

// unlocked runs f, which takes long, while others may use a.
func (a *auth) unlocked(f func() error) error {
	a.mu.Unlock()
	defer a.mu.Lock()
	return f()
}

func waitFor(ctx context.Context, there <-chan struct{}) error {
	select {
	case <-there:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// challenged answers a 401 to a request that carried the header used.
func (a *auth) challenged(ctx context.Context, e *Error, scopes []string, used string) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	i := slices.IndexFunc(e.challenges, func(c challenge) bool { return c.scheme == "bearer" && c.params["realm"] != "" })
	if i < 0 {
		i = slices.IndexFunc(e.challenges, func(c challenge) bool { return c.scheme == "basic" })
	}
	if i < 0 {
		return "", e
	}
	key := strings.Join(scopes, " ")
	if t, ok := a.tokens[key]; !ok || t.header == used {
		// Nobody else got a newer token meanwhile.
		delete(a.tokens, key)
		a.asked = &e.challenges[i]
		if used != "" && a.asked.scheme == "basic" {
			a.forget() // perhaps they were renewed
			if fresh, err := a.headerLocked(ctx, scopes); err != nil || fresh != used {
				return fresh, err
			}
			return "", e
		}
	}
	return a.headerLocked(ctx, scopes)
}

func (a *auth) anonymous() bool { return a.config != nil && *a.config == authn.AuthConfig{} }

func (a *auth) none() error {
	why := fmt.Sprintf("%s wants credentials and the docker configuration has none for it; run `docker login %[1]s`", a.host.name)
	if ways := a.host.o.logins.Ways(a.host.name); ways != "" {
		why += ", " + ways
	}
	return &credentialsError{why: why}
}

// resolve looks the credentials up once, and makes logins anew that expire.
func (a *auth) resolve(ctx context.Context) error {
	if a.config != nil {
		return a.renewLogin(ctx)
	}
	reg, err := a.registry()
	if err != nil {
		return err
	}
	var cfg *authn.AuthConfig
	authenticator, err := authn.Resolve(ctx, a.host.o.keychain, reg)
	if err == nil {
		cfg, err = authn.Authorization(ctx, authenticator)
	}
	if err != nil {
		return &credentialsError{why: fmt.Sprintf("reading the credentials for %s from the docker configuration: %v", a.host.name, err), err: err}
	}
	if *cfg == (authn.AuthConfig{}) {
		return a.logIn(ctx)
	}
	a.config = cfg
	return nil
}

func (a *auth) registry() (name.Registry, error) {
	var opts []name.Option
	if !a.host.https.Load() {
		opts = append(opts, name.Insecure)
	}
	return name.NewRegistry(a.host.name, opts...)
}

// exchange gets a token; others may use a meanwhile. Its errors are for
// exchangeError.
func (a *auth) exchange(ctx context.Context, scopes []string) (token, error) {
	reg, err := a.registry()
	if err != nil {
		return token{}, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, tokenPatience, &stalledError{where: "the token service of " + a.host.name, patience: tokenPatience})
	defer cancel()
	got := time.Now()
	config, asked := *a.config, *a.asked
	var t *transport.Token
	err = a.unlocked(func() (err error) {
		t, err = transport.Exchange(ctx, reg, authn.FromConfig(config), a.host.o.transport, scopes,
			&transport.Challenge{Scheme: asked.scheme, Parameters: asked.params, Insecure: !a.host.https.Load()})
		return err
	})
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return token{}, cause
	}
	if err != nil {
		return token{}, err
	}
	value := t.Token
	if value == "" {
		value = t.AccessToken
	}
	// 60 seconds is what the token specification says where nothing is said;
	// a tenth is kept back, so that none expires on its way.
	life := 60 * time.Second
	if t.ExpiresIn > 0 {
		life = time.Duration(t.ExpiresIn) * time.Second
	}
	return token{header: "Bearer " + value, expires: got.Add(life * 9 / 10)}, nil
}

func refusesLogin(e *transport.Error) bool {
	return e.StatusCode == http.StatusUnauthorized || e.StatusCode == http.StatusForbidden || e.StatusCode == http.StatusBadRequest
}

// exchangeError is what is told of a token that was not got. The errors of the
// library's exchange can quote what the service sent, so only their kind is
// kept.
func (a *auth) exchangeError(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if e, ok := errors.AsType[*stalledError](err); ok {
		return e
	}
	realm := "the token service of " + a.host.name
	if u, err := url.Parse(a.asked.params["realm"]); err == nil && u.Host != "" {
		realm = plainURL(u)
	}
	if te, ok := errors.AsType[*transport.Error](err); ok {
		if refusesLogin(te) {
			if a.anonymous() {
				return a.none()
			}
			return a.refused(fmt.Sprintf("%s answers %d", realm, te.StatusCode))
		}
		return &Error{Method: http.MethodGet, URL: realm, Status: te.StatusCode}
	}
	if ue, ok := errors.AsType[*url.Error](err); ok {
		return &unreachableError{where: realm, err: ue.Err, met: a.host.known.Load()}
	}
	// HTTP/2's own error has a type that net/http does not show.
	if errors.Is(err, io.ErrUnexpectedEOF) || strings.Contains(err.Error(), "stream error: ") {
		return &unreachableError{where: realm, err: errors.New("the answer breaks off")}
	}
	if strings.Contains(err.Error(), "invalid realm") {
		return &credentialsError{why: fmt.Sprintf("%s names a token service that credentials are not sent to (%s): it is on a private address or not HTTPS", a.host.name, realm)}
	}
	return &credentialsError{why: fmt.Sprintf("%s gives no token that can be read", realm)}
}

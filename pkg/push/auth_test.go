package push_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	_ "github.com/distribution/distribution/v3/registry/auth/htpasswd"
	"github.com/distribution/distribution/v3/registry/auth/token"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"golang.org/x/crypto/bcrypt"

	"github.com/imgbuild/imgbuild/pkg/push"
)

func startTLS(s *httptest.Server)   { s.StartTLS() }
func startHTTP2(s *httptest.Server) { s.EnableHTTP2 = true; s.StartTLS() }

// withPassword asks for Basic authentication: user and s3cret-password.
func withPassword(t *testing.T) func(*configuration.Configuration) {
	h, err := bcrypt.GenerateFromPassword([]byte("s3cret-password"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "htpasswd")
	if err := os.WriteFile(path, []byte("user:"+string(h)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return func(c *configuration.Configuration) {
		c.Auth = configuration.Auth{"htpasswd": {"realm": "test", "path": path}}
	}
}

func TestTLSAndPassword(t *testing.T) {
	for name, start := range map[string]func(*httptest.Server){"HTTP/1.1": startTLS, "HTTP/2": startHTTP2} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, withPassword(t), start)
			img := ociImage(t, randomLayer(t, 2<<20), randomLayer(t, 100))
			req := push.Request{Image: img, Repository: repository(t, s.host(), "base/golang"), Tags: []string{"1"}}
			p := newPusher(t, push.WithTransport(s.trusting()), push.WithKeychain(login{"user", "s3cret-password"}))
			if _, err := p.Push(t.Context(), req); err != nil {
				t.Fatal(err)
			}
			pullBack(t, s.host()+"/base/golang:1", img, remote.WithTransport(s.trusting()), remote.WithAuth(&authn.Basic{Username: "user", Password: "s3cret-password"}))

			for want, k := range map[string]authn.Keychain{"docker login " + s.host(): login{"user", "wr0ng-password"}, "has none for it": authn.DefaultKeychain} {
				_, err := newPusher(t, push.WithTransport(s.trusting()), push.WithKeychain(k)).Push(t.Context(), req)
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error %v; want one with %q", err, want)
				}
				if err != nil && strings.Contains(err.Error(), "wr0ng") {
					t.Errorf("the error shows the password: %v", err)
				}
			}
			_, err := newPusher(t).Push(t.Context(), req)
			if err == nil || !strings.Contains(err.Error(), "is not trusted") {
				t.Errorf("error %v; want one about the certificate", err)
			}
		})
	}
}

// tokens is a token service as the distribution specification has it, at the
// same host as its registry. Tokens live for life; the user "reader" gets only
// pull.
type tokens struct {
	key    *ecdsa.PrivateKey
	cert   []byte
	life   time.Duration
	issued atomic.Int32
}

func newTokens(t *testing.T) *tokens {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true}
	cert, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tokens{key: key, cert: cert, life: time.Minute}
}

func (k *tokens) configure(t *testing.T, realm string) func(*configuration.Configuration) {
	bundle := filepath.Join(t.TempDir(), "bundle.pem")
	if err := os.WriteFile(bundle, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: k.cert}), 0o600); err != nil {
		t.Fatal(err)
	}
	return func(c *configuration.Configuration) {
		c.Auth = configuration.Auth{"token": {"realm": realm, "issuer": "test", "service": "registry", "rootcertbundle": bundle, "signingalgorithms": []any{"ES256"}}}
	}
}

func (k *tokens) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user, password, ok := r.BasicAuth()
	if !ok || password != "s3cret-password" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	now := time.Now()
	claims := token.ClaimSet{Issuer: "test", Subject: user, Audience: []string{"registry"}, IssuedAt: now.Unix(), NotBefore: now.Add(-time.Minute).Unix(), Expiration: now.Add(k.life).Unix(), JWTID: rand.Text()}
	for _, scope := range r.URL.Query()["scope"] {
		parts := strings.SplitN(scope, ":", 3)
		actions := strings.Split(parts[2], ",")
		if user == "reader" {
			actions = []string{"pull"}
		}
		claims.Access = append(claims.Access, &token.ResourceActions{Type: parts[0], Name: parts[1], Actions: actions})
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: k.key}, (&jose.SignerOptions{}).WithHeader("x5c", [][]byte{k.cert}))
	if err != nil {
		panic(err)
	}
	raw, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		panic(err)
	}
	k.issued.Add(1)
	json.NewEncoder(w).Encode(map[string]any{"token": raw, "expires_in": int(k.life.Seconds())})
}

func tokenServer(t *testing.T) (*server, *tokens) { return startTokenServer(t, "http", nil) }

func startTokenServer(t *testing.T, scheme string, start func(*httptest.Server)) (*server, *tokens) {
	k := newTokens(t)
	// The realm is at the registry's own host, which has its port only later.
	s := newServer(t, k.configure(t, scheme+"://placeholder/token"), start)
	s.misbehave(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.URL.Path == "/token" {
			k.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(&realm{ResponseWriter: w, host: r.Host}, r)
	})
	return s, k
}

// revoked refuses tokens as expired before their time.
type revoked struct {
	mu     sync.Mutex
	tokens map[string]bool
}

// refuses says whether the request's token is refused; with now it is from now
// on. The answer is written then.
func (v *revoked) refuses(w http.ResponseWriter, r *http.Request, now bool) bool {
	token := r.Header.Get("Authorization")
	v.mu.Lock()
	defer v.mu.Unlock()
	if token == "" || r.URL.Path == "/token" || !now && !v.tokens[token] {
		return false
	}
	v.tokens[token] = true
	w.Header().Set("WWW-Authenticate", `Bearer realm="https://`+r.Host+`/token",service="registry",error="invalid_token"`)
	w.WriteHeader(http.StatusUnauthorized)
	return true
}

// realm writes the registry's host into its challenge.
type realm struct {
	http.ResponseWriter
	host string
}

func (r *realm) WriteHeader(status int) {
	if c := r.Header().Get("WWW-Authenticate"); c != "" {
		r.Header().Set("WWW-Authenticate", strings.Replace(c, "placeholder", r.host, 1))
	}
	r.ResponseWriter.WriteHeader(status)
}

func TestTokenAuth(t *testing.T) {
	s, k := tokenServer(t)
	os := randomLayer(t, 1<<20)
	p := newPusher(t, push.WithKeychain(login{"user", "s3cret-password"}), push.WithChunk(testChunk)) // of it two, for a layer has a head
	for _, path := range []string{"base/golang", "base/node"} {
		img := ociImage(t, os, randomLayer(t, 100))
		if _, err := p.Push(t.Context(), push.Request{Image: img, Repository: repository(t, s.host(), path), Tags: []string{"1"}}); err != nil {
			t.Fatal(err)
		}
		pullBack(t, s.host()+"/"+path+":1", img, remote.WithAuth(&authn.Basic{Username: "user", Password: "s3cret-password"}))
	}
	if log := s.requests(); count(log, " mount") != 1 || count(log, "PATCH") != 2 {
		t.Errorf("requests %q; want one upload and one mount of the large layer", log)
	}
	k.issued.Store(0)
	s.requests()
	img := ociImage(t, os)
	if _, err := p.Push(t.Context(), push.Request{Image: img, Repository: repository(t, s.host(), "base/golang"), Tags: []string{"2"}}); err != nil {
		t.Fatal(err)
	}
	if n := k.issued.Load(); n != 0 {
		t.Errorf("%d more tokens for a repository that has one", n)
	}
}

// TestTokenExpires: every token is refused after its first use, also in the
// middle of uploads.
func TestTokenExpires(t *testing.T) {
	s, k := tokenServer(t)
	inner := s.between
	var n atomic.Int32
	s.misbehave(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.URL.Path != "/token" && r.Header.Get("Authorization") != "" && n.Add(1)%3 == 0 {
			w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+s.host()+`/token",service="registry",error="invalid_token"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		inner(w, r, next)
	})
	img := ociImage(t, randomLayer(t, 1<<20), randomLayer(t, 400<<10), randomLayer(t, 100))
	p := newPusher(t, push.WithKeychain(login{"user", "s3cret-password"}), push.WithSlots(1))
	if _, err := p.Push(t.Context(), push.Request{Image: img, Repository: repository(t, s.host(), "golang"), Tags: []string{"1"}}); err != nil {
		t.Fatal(err)
	}
	if k.issued.Load() < 3 {
		t.Errorf("only %d tokens", k.issued.Load())
	}
	s.misbehave(inner)
	pullBack(t, s.host()+"/golang:1", img, remote.WithAuth(&authn.Basic{Username: "user", Password: "s3cret-password"}))
}

func TestTokenRefused(t *testing.T) {
	s, _ := tokenServer(t)
	req := push.Request{Image: ociImage(t, randomLayer(t, 100)), Repository: repository(t, s.host(), "base/golang"), Tags: []string{"1"}}
	for want, k := range map[string]authn.Keychain{
		"does not accept the user or the password": login{"user", "wr0ng-password"},
		"may not push to base/golang":              login{"reader", "s3cret-password"},
		"has none for it; run `docker login":       authn.DefaultKeychain,
	} {
		_, err := newPusher(t, push.WithKeychain(k)).Push(t.Context(), req)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v; want one with %q", err, want)
		}
		if err != nil && (strings.Contains(err.Error(), "wr0ng") || strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "eyJ")) {
			t.Errorf("the error shows a secret: %v", err)
		}
	}
}

// TestDockerConfig: credentials come from the docker configuration.
func TestDockerConfig(t *testing.T) {
	s := newServer(t, withPassword(t), nil)
	dir := t.TempDir()
	t.Setenv("DOCKER_CONFIG", dir)
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(`{"auths":{"`+s.host()+`":{"auth":"dXNlcjpzM2NyZXQtcGFzc3dvcmQ="}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	img := ociImage(t, randomLayer(t, 100))
	if _, err := newPusher(t).Push(t.Context(), push.Request{Image: img, Repository: repository(t, s.host(), "golang"), Tags: []string{"1"}}); err != nil {
		t.Fatal(err)
	}
}

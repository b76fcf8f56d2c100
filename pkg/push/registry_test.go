package push_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/sirupsen/logrus"

	"github.com/imgbuild/imgbuild/pkg/address"
	"github.com/imgbuild/imgbuild/pkg/push"
)

func TestMain(m *testing.M) {
	for env, run := range map[string]func(string) error{childEnv: child, largeEnv: largeChild} {
		if args := os.Getenv(env); args != "" {
			if err := run(args); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			os.Exit(0)
		}
	}
	logrus.SetOutput(io.Discard)
	// No test may find the credentials of whoever runs it.
	home, err := os.MkdirTemp("", "push-test-home-")
	if err != nil {
		panic(err)
	}
	for k, v := range map[string]string{"HOME": home, "DOCKER_CONFIG": home, "XDG_CONFIG_HOME": home, "XDG_RUNTIME_DIR": home} {
		os.Setenv(k, v)
	}
	os.Unsetenv("REGISTRY_AUTH_FILE") // podman's; docker-registry takes it for its own
	code := m.Run()
	os.RemoveAll(home)
	os.Exit(code)
}

// server is a real registry in this process behind a recorder and, where a
// test sets one, a handler that misbehaves.
type server struct {
	*httptest.Server
	app *handlers.App
	dir string

	mu      sync.Mutex
	log     []string // "METHOD path?query"
	between func(w http.ResponseWriter, r *http.Request, next http.Handler)
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	line := r.Method + " " + r.URL.Path
	if r.URL.Query().Has("mount") {
		line += " mount"
	}
	s.log = append(s.log, line)
	between := s.between
	s.mu.Unlock()
	if between != nil {
		between(w, r, s.app)
		return
	}
	s.app.ServeHTTP(w, r)
}

// requests returns what was asked since the last call.
func (s *server) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.log
	s.log = nil
	return out
}

func (s *server) misbehave(f func(w http.ResponseWriter, r *http.Request, next http.Handler)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.between = f
}

func (s *server) host() string { return s.Listener.Addr().String() }

func newServer(t *testing.T, configure func(*configuration.Configuration), start func(*httptest.Server)) *server {
	t.Helper()
	dir := t.TempDir()
	c := &configuration.Configuration{Storage: configuration.Storage{
		"filesystem": {"rootdirectory": dir},
		"delete":     {"enabled": true},
	}}
	c.HTTP.Secret = "test"
	if configure != nil {
		configure(c)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &server{app: handlers.NewApp(ctx, c), dir: dir}
	s.Server = httptest.NewUnstartedServer(s)
	s.Config.ErrorLog = nil
	s.Config.ErrorLog = logTo(io.Discard)
	if start == nil {
		start = (*httptest.Server).Start
	}
	start(s.Server)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
		s.app.Shutdown()
		cancel()
	})
	return s
}

// open is the same registry's content without passwords.
func (s *server) open(t *testing.T) http.Handler {
	c := &configuration.Configuration{Storage: configuration.Storage{"filesystem": {"rootdirectory": s.dir}}}
	c.HTTP.Secret = "test"
	app := handlers.NewApp(t.Context(), c)
	t.Cleanup(func() { app.Shutdown() })
	return app
}

func repository(t *testing.T, host, path string) address.Repository {
	t.Helper()
	r, err := address.Parse(host)
	if err != nil {
		t.Fatal(err)
	}
	repo, err := r.Repository(path)
	if err != nil {
		t.Fatal(err)
	}
	return repo
}

func newPusher(t *testing.T, opts ...push.Option) *push.Pusher {
	t.Helper()
	p, err := push.New(opts...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// login is a keychain with one user.
type login struct{ user, password string }

func (l login) Resolve(authn.Resource) (authn.Authenticator, error) {
	return authn.FromConfig(authn.AuthConfig{Username: l.user, Password: l.password}), nil
}

func (s *server) trusting() http.RoundTripper {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = &tls.Config{RootCAs: s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}
	return t
}

// dockerRegistry starts Debian's registry server on a free port.
func dockerRegistry(t *testing.T) (host string) {
	t.Helper()
	bin, err := exec.LookPath("docker-registry")
	if err != nil {
		t.Fatal("this test needs the docker-registry program: apt-get install docker-registry")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host = l.Addr().String()
	l.Close()
	dir := t.TempDir()
	config := filepath.Join(dir, "config.yml")
	text := "version: 0.1\nlog: {level: error}\nstorage:\n  filesystem: {rootdirectory: " + filepath.Join(dir, "data") + "}\n  delete: {enabled: true}\nhttp:\n  addr: " + host + "\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "serve", config)
	var logs lockedBuffer
	cmd.Stdout, cmd.Stderr = &logs, &logs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-done:
		case <-time.After(5 * time.Second):
			cmd.Process.Kill()
			<-done
		}
		if t.Failed() {
			t.Logf("docker-registry: %s", logs.String())
		}
	})
	for range 1200 {
		if res, err := http.Get("http://" + host + "/v2/"); err == nil {
			res.Body.Close()
			return host
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("docker-registry did not start: %s", logs.String())
	return ""
}

type lockedBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// Package registry is the registry built into imgbuild: the CNCF distribution
// server as a library, its content in a folder, reachable from this machine
// only.
//
// Any number of processes may serve one folder at once: the server keeps no
// state in memory, writes aside and renames, and nothing here collects
// garbage.
package registry

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem" // the driver that Start names
	"github.com/sirupsen/logrus"

	"github.com/imgbuild/imgbuild/pkg/address"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// DefaultAddr is where the registry is served, and what references to its
// images name.
const DefaultAddr = "127.0.0.1:5050"

// DefaultDir is where the content is: in the store, beside its blobs.
func DefaultDir(s *store.Store) string { return filepath.Join(s.Root(), "registry") }

// Options say what to serve and where.
type Options struct {
	Dir string
	// Addr is HOST:PORT on loopback, DefaultAddr where empty. Port 0 takes a
	// free one.
	Addr string
	// Announce makes the server the one that Serving finds. There is one such
	// server for a folder; a second is refused with ErrServed.
	Announce bool
}

// Server is a running registry.
type Server struct {
	addr     string
	http     *http.Server
	app      *handlers.App
	cancel   context.CancelFunc
	announce *announcement

	done  chan struct{}
	err   error
	close sync.Once
}

// Start serves until ctx ends or Close is called.
func Start(ctx context.Context, o Options) (*Server, error) {
	s, err := start(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("starting the embedded registry: %w", err)
	}
	return s, nil
}

func start(ctx context.Context, o Options) (_ *Server, err error) {
	if o.Addr == "" {
		o.Addr = DefaultAddr
	}
	if _, _, err := net.SplitHostPort(o.Addr); err != nil {
		return nil, fmt.Errorf("address %q: %w; give HOST:PORT, such as %s", o.Addr, err, DefaultAddr)
	}
	if !address.Loopback(o.Addr) {
		return nil, fmt.Errorf("address %q is not a loopback address; the registry asks for no password, so that it serves this machine only: use %s, or run a registry of your own for others", o.Addr, DefaultAddr)
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, err
	}
	s := &Server{done: make(chan struct{})}
	if o.Announce {
		if s.announce, err = announce(o.Dir); err != nil {
			return nil, err
		}
		defer func() {
			if err != nil {
				s.announce.end()
			}
		}()
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.Addr)
	if err != nil {
		return nil, fmt.Errorf("%w; if another program has the port, choose another one", err)
	}
	s.addr = l.Addr().String()
	// The application's own context outlives ctx until requests have ended.
	appCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel = cancel
	if s.app, err = newApp(appCtx, o.Dir); err != nil {
		cancel()
		l.Close()
		return nil, err
	}
	s.http = &http.Server{
		Handler:           local(s.app),
		ReadHeaderTimeout: 30 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0),
	}
	if o.Announce {
		if err = s.announce.at(s.addr); err != nil {
			cancel()
			l.Close()
			return nil, err
		}
	}
	go func() {
		defer close(s.done)
		if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.err = err
		}
	}()
	context.AfterFunc(ctx, func() { s.Close() })
	return s, nil
}

// Addr is HOST:PORT.
func (s *Server) Addr() string { return s.addr }

// Wait returns when the server has ended, with the error that ended it.
func (s *Server) Wait() error {
	<-s.done
	return s.err
}

// Close lets requests in progress end, for some seconds, and stops the server.
func (s *Server) Close() error { return s.end(5 * time.Second) }

func (s *Server) end(patience time.Duration) error {
	s.close.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if s.http.Shutdown(ctx) != nil {
			s.http.Close()
		}
		s.app.Shutdown()
		s.cancel()
		s.announce.end()
	})
	return s.Wait()
}

var quiet = sync.OnceFunc(func() {
	// The library logs every request to logrus's one global logger, and has no
	// other place to set.
	logrus.SetOutput(io.Discard)
	logrus.SetLevel(logrus.PanicLevel)
})

// newApp makes the library's server. It panics where it cannot.
func newApp(ctx context.Context, dir string) (app *handlers.App, err error) {
	quiet()
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("serving %s: %v", dir, r)
		}
	}()
	c := &configuration.Configuration{Storage: configuration.Storage{
		"filesystem": {"rootdirectory": dir},
		"delete":     {"enabled": true},
	}}
	// Signs the state of uploads; those end with the process that began them.
	c.HTTP.Secret = rand.Text()
	return handlers.NewApp(ctx, c), nil
}

// local refuses requests that were made for another host's name: a web page
// whose name was pointed to loopback must not read or write images.
func local(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !address.Loopback(r.Host) {
			http.Error(w, "this registry answers to loopback names only", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

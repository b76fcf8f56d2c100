package console

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/emulator"
)

// Function is one that is served.
type Function struct {
	Name string
	// Trigger says that it has an HTTP trigger.
	Trigger bool
	// Start makes what the function is now. log gets its output; stop ends it.
	Start func(ctx context.Context, log io.Writer) (e *emulator.Emulator, stop func() error, err error)
}

// Console serves functions. It is an http.Handler, for a listener on loopback.
type Console struct {
	services []*service
	hub      *hub
	mux      *http.ServeMux
	end      context.CancelCauseFunc
}

// errClosed ends what is under way.
var errClosed = errors.New("the console is closed")

// New serves the functions. Nothing is started yet. log gets what the page's
// log gets, each line with the function's name; nil: nothing.
func New(functions []Function, log io.Writer) *Console {
	ctx, end := context.WithCancelCause(context.Background())
	c := &Console{hub: newHub(log), mux: http.NewServeMux(), end: end}
	for _, f := range functions {
		c.services = append(c.services, newService(ctx, f, c.hub))
	}
	c.routes()
	return c
}

// Changed starts a function anew, if it has been started: its files are others.
func (c *Console) Changed(name string) {
	if s := c.service(name); s != nil {
		s.changed()
	}
}

// Close ends all functions. Calls in flight fail.
func (c *Console) Close() error {
	c.end(errClosed)
	c.hub.close()
	var errs []error
	for _, s := range c.services {
		errs = append(errs, s.close())
	}
	return errors.Join(errs...)
}

func (c *Console) service(name string) *service {
	for _, s := range c.services {
		if strings.EqualFold(s.Name, name) { // hosts have no case
			return s
		}
	}
	return nil
}

// ServeHTTP serves the page, the calls and the triggers.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, ok := local(r.Host)
	if !ok {
		// A page elsewhere may have its own name point to this machine.
		http.Error(w, "this is served on localhost only, and the request is for "+r.Host, http.StatusForbidden)
		return
	}
	if name == "" {
		c.mux.ServeHTTP(w, r)
		return
	}
	s := c.service(name)
	if s == nil {
		http.Error(w, "there is no function "+name, http.StatusNotFound)
		return
	}
	s.trigger(w, r)
}

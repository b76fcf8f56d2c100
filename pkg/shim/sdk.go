package shim

import (
	"errors"
	"net"

	"github.com/imgbuild/imgbuild/pkg/shim/http1"
	"github.com/imgbuild/imgbuild/pkg/shim/runtimeapi"
)

// apiVariable is where programs built with Function Compute's Go SDK look for
// the runtime API.
const apiVariable = "FC_RUNTIME_API"

// serveAPI opens the runtime API on loopback, for a program that may turn out
// to be built with the SDK. It returns its address, "" where the environment
// has one already.
func (s *supervisor) serveAPI() (string, error) {
	if s.env.Get(apiVariable) != "" {
		return "", nil
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return "", nil // a machine without IPv4: such a program cannot run there
	}
	s.api = runtimeapi.New(runtimeapi.Options{Getenv: s.env.Get, Timeout: s.settings.Timeout})
	// A poll whose program has gone must not get a call.
	server := &http1.Server{Handler: s.api, CloseIsGone: true, Panicked: s.panicked}
	go func() {
		if err := server.Serve(l); !errors.Is(err, http1.ErrServerClosed) {
			s.fail(err)
		}
	}()
	return l.Addr().String(), nil
}

// polled is closed when the program has turned out to be built with the SDK.
func (s *supervisor) polled() <-chan struct{} {
	if s.api == nil {
		return nil
	}
	return s.api.Polled()
}

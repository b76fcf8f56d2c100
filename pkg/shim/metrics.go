package shim

import (
	"errors"
	"fmt"
	"net"

	"github.com/imgbuild/imgbuild/pkg/shim/http1"
)

// serveMetrics opens the port for Prometheus, where one is set.
func (s *supervisor) serveMetrics() error {
	if s.settings.Metrics == "" {
		return nil
	}
	l, err := net.Listen("tcp", s.settings.Metrics)
	if err != nil {
		return fmt.Errorf("SHIM_METRICS: listening on %s: %w", s.settings.Metrics, errnoOf(err))
	}
	server := &http1.Server{Handler: &s.front.Metrics, Panicked: s.panicked}
	go func() {
		if err := server.Serve(l); !errors.Is(err, http1.ErrServerClosed) {
			s.fail(err)
		}
	}()
	return nil
}

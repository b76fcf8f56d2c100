package shim

import (
	"context"
	"errors"
	"net"
	"sync"

	"github.com/imgbuild/imgbuild/pkg/shim/http1"
	"github.com/imgbuild/imgbuild/pkg/shim/http2"
	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// servers speak HTTP/1 and, to clients that begin with it, HTTP/2.
type servers struct {
	http1 *http1.Server
	http2 *http2.Server
}

// newServers serve h. panicked is told of what must not happen.
func newServers(h message.Handler, headerLimit int64, panicked func(any)) *servers {
	s := &servers{http2: &http2.Server{Handler: h, Options: http2.Options{HeaderLimit: int(headerLimit)}, Panicked: panicked}}
	s.http1 = &http1.Server{Handler: h, HeaderLimit: int(headerLimit), H2: s.http2.ServeConn, Panicked: panicked}
	return s
}

// serve answers on l until shutdown. The error is why it had to stop.
func (s *servers) serve(l net.Listener) error {
	if err := s.http1.Serve(l); !errors.Is(err, http1.ErrServerClosed) {
		return err
	}
	return nil
}

// shutdown closes all listeners and waits until every request, upgraded
// connections included, has been answered or ctx ends; what is left then is
// cut off.
func (s *servers) shutdown(ctx context.Context) {
	var both sync.WaitGroup
	both.Go(func() { _ = s.http1.Shutdown(ctx) })
	both.Go(func() { _ = s.http2.Shutdown(ctx) })
	both.Wait()
}

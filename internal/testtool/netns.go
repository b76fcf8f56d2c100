package testtool

import (
	"context"
	"net"
	"net/http"
	"time"

	"github.com/imgbuild/imgbuild/pkg/container/netns"
)

// ClientIn is an HTTP client inside the network of a process: its 127.0.0.1
// is that process's. So any number of containers listen on 8080 side by side,
// and none is in the way of what else runs on this machine.
func ClientIn(pid int) *http.Client {
	return &http.Client{
		Timeout: 30 * time.Second,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				ns, err := netns.Open(pid)
				if err != nil {
					return nil, err
				}
				defer ns.Close()
				return netns.Dial(ctx, ns, network, addr)
			},
		},
	}
}

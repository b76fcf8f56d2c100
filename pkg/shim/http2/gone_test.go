package http2

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

func TestGone(t *testing.T) {
	gone, failed := make(chan bool, 1), make(chan error, 1)
	addr, _ := listen(t, func(x message.Exchange) {
		x.OnGone(func() { gone <- true })
		_ = x.Head(message.Head{Status: 200, Length: -1})
		_ = x.Flush()
		<-gone
		_, err := x.Write(make([]byte, 1<<20))
		failed <- errors.Join(err)
	}, Options{})
	for _, how := range []string{"reset", "close"} {
		ctx, cancel := context.WithCancel(t.Context())
		req, _ := http.NewRequestWithContext(ctx, "GET", "http://"+addr, nil)
		c := httpClient(t)
		var conn net.Conn
		c.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			var err error
			conn, err = new(net.Dialer).DialContext(ctx, network, addr)
			return conn, err
		}
		if _, err := c.Do(req); err != nil {
			t.Fatal(err)
		}
		if how == "close" {
			_ = conn.Close()
		}
		cancel()
		select {
		case err := <-failed:
			if err == nil {
				t.Errorf("%s: Write succeeded", how)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: not told", how)
		}
	}
}

func TestAbort(t *testing.T) {
	for name, h := range map[string]message.HandlerFunc{
		"return": func(message.Exchange) {},
		"abort": func(x message.Exchange) {
			_ = x.Head(message.Head{Status: 200, Length: -1})
			_ = x.Flush()
			x.Abort()
		},
		"short": func(x message.Exchange) {
			_ = x.Head(message.Head{Status: 200, Length: 5})
			_, _ = io.WriteString(x, "1234")
			if x.End(nil) == nil {
				t.Error("End of a short body succeeded")
			}
		},
		"long": func(x message.Exchange) {
			_ = x.Head(message.Head{Status: 200, Length: 5})
			if _, err := io.WriteString(x, "123456"); err == nil {
				t.Error("a long body was taken")
			}
			if x.End(nil) == nil {
				t.Error("End of a long body succeeded")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			addr, _ := listen(t, h, Options{})
			r, err := httpClient(t).Get("http://" + addr)
			if err == nil {
				_, err = io.ReadAll(r.Body)
			}
			if err == nil || !strings.Contains(err.Error(), "INTERNAL_ERROR") {
				t.Errorf("%v", err)
			}
		})
	}
}

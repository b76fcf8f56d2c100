package relay

import (
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"
)

// TestClientLeaves: a net/http program learns from its request's context that
// the client has gone: at once where it resets, and when something cannot be
// written where it just closes.
func TestClientLeaves(t *testing.T) {
	for name, streams := range map[string]bool{"reset": false, "close, while events come": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began, left := make(chan bool, 1), make(chan time.Time, 1)
			addr := behind(t, func(w http.ResponseWriter, r *http.Request) {
				began <- true
				tick := time.NewTicker(20 * time.Millisecond)
				defer tick.Stop()
				for {
					select {
					case <-r.Context().Done():
						left <- time.Now()
						return
					case <-tick.C:
						if streams {
							fmt.Fprint(w, "data: x\n\n")
							_ = http.NewResponseController(w).Flush()
						}
					}
				}
			})
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			<-began
			if !streams {
				_ = conn.(*net.TCPConn).SetLinger(0)
			}
			conn.Close()
			closed := time.Now()
			select {
			case at := <-left:
				if d := at.Sub(closed); d > time.Second {
					t.Error("it took", d)
				}
			case <-time.After(10 * time.Second):
				t.Fatal("the program was not told")
			}
		})
	}
}

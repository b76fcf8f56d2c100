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
// written where it just closes. One time in five counts, for a busy machine may
// be slow to tell it.
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
			took := time.Hour
			for i := 0; i < 5 && took > time.Second; i++ {
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
					took = at.Sub(closed)
				case <-time.After(30 * time.Second):
					t.Fatal("the program was not told")
				}
			}
			if took > time.Second {
				t.Error("it took", took)
			}
		})
	}
}

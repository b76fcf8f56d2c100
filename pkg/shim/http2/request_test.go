package http2

import (
	"fmt"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// TestCookiesAndHost is what becomes of a request's fields.
func TestCookiesAndHost(t *testing.T) {
	got := make(chan string, 1)
	addr, _ := listen(t, func(x message.Exchange) {
		r := x.Request()
		got <- fmt.Sprint(r.Method, " ", r.Target, " ", r.Version, " ", r.Header, " ", r.Length, " ", r.Body != nil, " ", r.Remote != nil)
		readAll(x)
	}, Options{})
	r := dialRaw(t, addr).begin().get(1, "cookie", "a=b", "x", "y", "cookie", "c=d", "cookie", "e=f")
	if out := r.flush().outcome(1); out != "200" {
		t.Fatal(out)
	}
	if s := <-got; s != "GET / 20 [{Host a} {cookie a=b; c=d; e=f} {x y}] 0 false true" {
		t.Error(s)
	}
	if out := r.post(3, "content-length", "1").frame(frameData, 1, 3, "x").flush().outcome(3); out != "200" {
		t.Fatal(out)
	}
	if s := <-got; s != "POST / 20 [{Host a} {content-length 1}] 1 true true" {
		t.Error(s)
	}
	_ = r.c.Close()
}

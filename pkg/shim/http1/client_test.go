package http1

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// dialed is a Client and the other end of its connection.
func dialed(t *testing.T) (*Client, *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	near, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); far.Close() })
	_ = far.SetDeadline(time.Now().Add(30 * time.Second))
	return NewClient(near), far.(*net.TCPConn)
}

func begin(t *testing.T, c *Client, body int64) {
	t.Helper()
	c.Ask()
	c.Line("POST", " ", "/", " HTTP/1.1")
	f := Framing{Kind: Length, Length: body}
	c.Framing(f)
	if err := c.Begin(f); err != nil {
		t.Fatal(err)
	}
}

// TestClientSend: several requests, one after the other, with bodies that fit
// a buffer and that do not.
func TestClientSend(t *testing.T) {
	c, far := dialed(t)
	go func() {
		var in Reader
		in.Reset(far)
		for {
			if _, err := in.Head(1 << 10); err != nil {
				return
			}
			var n [8]byte
			if _, err := io.ReadFull(&in, n[:]); err != nil {
				return
			}
			rest := 0
			for _, d := range n {
				rest = rest*10 + int(d-'0')
			}
			if _, err := io.CopyN(io.Discard, &in, int64(rest)); err != nil {
				return
			}
			_, _ = io.WriteString(far, "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n"+string(n[:]))
		}
	}()
	for _, rest := range []string{"00000000", "00000010", "00007000", "00020000", "03000000"} {
		n := 0
		for _, d := range rest {
			n = n*10 + int(d-'0')
		}
		begin(t, c, int64(8+n))
		if _, err := c.Write([]byte(rest + strings.Repeat("x", n))); err != nil {
			t.Fatal(err)
		}
		if err := c.Send(); err != nil {
			t.Fatal(err)
		}
		r, err := c.Answer("POST")
		if err != nil || r.Status != 200 || !c.Received() {
			t.Fatal(r, err)
		}
		if b, err := io.ReadAll(c); string(b) != rest || err != nil || !c.Reusable() {
			t.Fatalf("%q %v", b, err)
		}
		c.Idle()
	}
}

// TestClientSendNothing: to a connection that is not at rest nothing is
// written, so that the request can go elsewhere.
func TestClientSendNothing(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(far *net.TCPConn)
		want func(error) bool
	}{
		"FIN":     {func(far *net.TCPConn) { far.CloseWrite() }, func(err error) bool { return err == io.EOF }},
		"reset":   {func(far *net.TCPConn) { _ = far.SetLinger(0); far.Close() }, func(err error) bool { return err != nil }},
		"unasked": {func(far *net.TCPConn) { _, _ = far.Write([]byte("x")) }, func(err error) bool { return err == errUnasked }},
	} {
		t.Run(name, func(t *testing.T) {
			client, far := dialed(t)
			if !client.Quiet() {
				t.Fatal("it is not quiet at first")
			}
			c.do(far)
			for deadline := time.Now().Add(30 * time.Second); client.Quiet(); time.Sleep(time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("it stays quiet")
				}
			}
			begin(t, client, 0)
			if err := client.Send(); !c.want(err) || client.Sent() != 0 || client.Received() {
				t.Fatal(err, client.Sent(), client.Received())
			}
		})
	}
}

// TestClientSendIsCut: Close ends the wait for an answer.
func TestClientSendIsCut(t *testing.T) {
	c, far := dialed(t)
	go func() {
		_, _ = far.Read(make([]byte, 1))
		c.Close()
	}()
	begin(t, c, 0)
	if err := c.Send(); !errors.Is(err, net.ErrClosed) || c.Sent() == 0 {
		t.Fatal(err, c.Sent())
	}
}

// TestClientRest: after a change of protocol the bytes that came with the head
// come first.
func TestClientRest(t *testing.T) {
	c, far := dialed(t)
	_, _ = far.Write([]byte("HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nearly "))
	r, err := c.Answer("GET")
	if err != nil || r.Status != 101 || r.Upgrade != "x" {
		t.Fatal(r, err)
	}
	_, _ = far.Write([]byte("late"))
	far.Close()
	if b, err := io.ReadAll(c.Rest()); string(b) != "early late" || err != nil {
		t.Fatalf("%q %v", b, err)
	}
}

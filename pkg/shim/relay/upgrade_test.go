package relay

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// upgraded asks for another protocol at addr and returns the connection when
// it has it.
func upgraded(t *testing.T, addr, early string) (*net.TCPConn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	fmt.Fprint(conn, "GET /chat HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: chat/1\r\nSec-Key: k\r\n\r\n"+early)
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != 101 || resp.Header.Get("Upgrade") != "chat/1" || !strings.EqualFold(resp.Header.Get("Connection"), "upgrade") || resp.Header.Get("Sec-Accept") != "a" {
		t.Fatal(resp, err)
	}
	return conn.(*net.TCPConn), r
}

const switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat/1\r\nSec-Accept: a\r\n\r\n"

// TestUpgrade: both ways are open, each until its end, also for bytes that
// came with the heads.
func TestUpgrade(t *testing.T) {
	ended := make(chan string, 1)
	p := peer(t, func(c net.Conn, n int) {
		if head := readHead(c); !strings.Contains(head, "Connection: Upgrade\r\nUpgrade: chat/1\r\nSec-Key: k\r\n") {
			c.Close()
			return
		}
		_, _ = io.WriteString(c, switching+"welcome\n")
		r := bufio.NewReader(c)
		for range 3 {
			line, _ := r.ReadString('\n')
			fmt.Fprint(c, strings.ToUpper(line))
		}
		rest, err := io.ReadAll(r) // until the client ends its side
		fmt.Fprintf(c, "bye %s %v\n", rest, err)
		_ = c.(*net.TCPConn).CloseWrite()
		_, err = io.ReadAll(c)
		ended <- fmt.Sprint(err)
	})
	r := p.relay()
	conn, lines := upgraded(t, front(t, r), "early\n")
	for _, say := range []string{"", "second\n", "third\n"} {
		fmt.Fprint(conn, say)
	}
	fmt.Fprint(conn, "rest")
	_ = conn.CloseWrite()
	got, err := io.ReadAll(lines)
	if want := "welcome\nEARLY\nSECOND\nTHIRD\nbye rest <nil>\n"; string(got) != want || err != nil {
		t.Errorf("%q %v", got, err)
	}
	if got := <-ended; got != "<nil>" {
		t.Error(got)
	}
	eventually(t, "leaving", func() bool { r.pool.mu.Lock(); defer r.pool.mu.Unlock(); return r.pool.active == 0 })
}

// TestUpgradeBroken: the end of one side is the end of the other.
func TestUpgradeBroken(t *testing.T) {
	t.Run("by the program", func(t *testing.T) {
		p := peer(t, func(c net.Conn, n int) {
			readHead(c)
			_, _ = io.WriteString(c, switching)
			_, _ = io.ReadFull(c, make([]byte, 1))
			_ = c.(*net.TCPConn).SetLinger(0)
			c.Close()
		})
		conn, lines := upgraded(t, front(t, p.relay()), "")
		fmt.Fprint(conn, "x")
		if _, err := lines.ReadByte(); err == nil || strings.Contains(err.Error(), "timeout") {
			t.Error(err)
		}
	})
	t.Run("by the client", func(t *testing.T) {
		gone := make(chan error, 1)
		p := peer(t, func(c net.Conn, n int) {
			readHead(c)
			_, _ = io.WriteString(c, switching)
			_, err := io.ReadAll(c)
			gone <- err
		})
		conn, _ := upgraded(t, front(t, p.relay()), "")
		_ = conn.SetLinger(0)
		conn.Close()
		if err := <-gone; err != nil && strings.Contains(err.Error(), "timeout") {
			t.Error(err)
		}
	})
	t.Run("refused", func(t *testing.T) {
		p := peer(t, func(c net.Conn, n int) { reply(c, "no") })
		conn, err := net.Dial("tcp", front(t, p.relay()))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
		fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: chat/1\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || resp.StatusCode != 200 {
			t.Error(resp, err)
		}
	})
}

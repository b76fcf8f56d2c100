package shim

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// reconnect is how long a request waits for a program that has listened once
// and now refuses, as a server does that restarts its workers.
const reconnect = 10 * time.Second

// Errors of dialing. None of a request's bytes has reached the program.
var (
	errNotListening = errors.New("the program listens on no port")
	errEnded        = errors.New("the program has ended")
)

// target is where the program listens, as far as is known.
type target struct {
	ready   time.Duration
	started time.Time
	program *process
	// look asks the watcher to look again at where the program listens.
	look chan struct{}

	mu      sync.Mutex
	addrs   []string
	changed chan struct{}
	reached bool // a connection was made once
	version int  // counts changes of addrs
}

func newTarget(p *process, ready time.Duration) *target {
	return &target{ready: ready, started: time.Now(), program: p, look: make(chan struct{}, 1), changed: make(chan struct{})}
}

// set replaces the addresses, each HOST:PORT or the path of a Unix socket.
func (t *target) set(addrs ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if slices.Equal(t.addrs, addrs) {
		return
	}
	t.addrs = addrs
	t.version++
	close(t.changed)
	t.changed = make(chan struct{})
}

// name is another one after each change of the addresses, so that connections
// that lead elsewhere are not used again.
func (t *target) name() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return "program-" + strconv.Itoa(t.version)
}

func (t *target) get() (addrs []string, changed chan struct{}, patience time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.reached {
		return t.addrs, t.changed, min(reconnect, t.ready)
	}
	return t.addrs, t.changed, time.Until(t.started.Add(t.ready))
}

// dial connects to the program and waits for it to listen where it does not.
func (t *target) dial(ctx context.Context) (net.Conn, error) {
	_, _, patience := t.get()
	late := time.After(max(patience, 0))
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		addrs, changed, _ := t.get()
		for _, a := range addrs {
			if c, err := dialOnce(ctx, a); err == nil {
				t.mu.Lock()
				t.reached = true
				t.mu.Unlock()
				return c, nil
			}
		}
		select {
		case t.look <- struct{}{}:
		default:
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-t.program.done:
			return nil, errEnded
		case <-late:
			return nil, errNotListening
		case <-changed:
		case <-time.After(pause):
		}
	}
}

// probe says whether something listens on one of addrs now.
func probe(addrs ...string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for _, a := range addrs {
		if c, err := dialOnce(ctx, a); err == nil {
			c.Close()
			return true
		}
	}
	return false
}

func dialOnce(ctx context.Context, addr string) (net.Conn, error) {
	d := net.Dialer{Timeout: 5 * time.Second}
	if strings.HasPrefix(addr, "/") {
		return d.DialContext(ctx, "unix", addr)
	}
	return d.DialContext(ctx, "tcp", addr)
}

// loopbacks are the addresses of a port on this machine.
func loopbacks(port int) []string {
	return dialAddrs([]netip.AddrPort{netip.AddrPortFrom(netip.IPv6Unspecified(), uint16(port))})
}

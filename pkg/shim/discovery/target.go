package discovery

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

	"github.com/imgbuild/imgbuild/pkg/shim/program"
)

// reconnect is how long a request waits for a program that has listened once
// and now refuses, as a server does that restarts its workers.
const reconnect = 10 * time.Second

// Errors of dialing. None of a request's bytes has reached the program.
var (
	ErrNotListening = errors.New("the program listens on no port")
	ErrEnded        = errors.New("the program has ended")
)

// Target is where the program listens, as far as is known.
type Target struct {
	ready   time.Duration
	started time.Time
	program *program.Process
	// Look asks the watcher to look again at where the program listens.
	Look chan struct{}

	mu      sync.Mutex
	addrs   []string
	changed chan struct{}
	reached bool // a connection was made once
	version int  // counts changes of addrs
}

// NewTarget is for the program p, which may take the time ready to listen.
func NewTarget(p *program.Process, ready time.Duration) *Target {
	return &Target{ready: ready, started: time.Now(), program: p, Look: make(chan struct{}, 1), changed: make(chan struct{})}
}

// Program is the process that is the target.
func (t *Target) Program() *program.Process { return t.program }

// Set replaces the addresses, each HOST:PORT or the path of a Unix socket.
func (t *Target) Set(addrs ...string) {
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

// Name is another one after each change of the addresses, so that connections
// that lead elsewhere are not used again.
func (t *Target) Name() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return "program-" + strconv.Itoa(t.version)
}

func (t *Target) get() (addrs []string, changed chan struct{}, patience time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.reached {
		return t.addrs, t.changed, min(reconnect, t.ready)
	}
	return t.addrs, t.changed, time.Until(t.started.Add(t.ready))
}

// Dial connects to the program and waits for it to listen where it does not.
func (t *Target) Dial(ctx context.Context) (net.Conn, error) {
	_, _, patience := t.get()
	late := time.After(max(patience, 0))
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		addrs, changed, _ := t.get()
		for _, a := range addrs {
			if c, err := DialOnce(ctx, a); err == nil {
				t.mu.Lock()
				t.reached = true
				t.mu.Unlock()
				return c, nil
			}
		}
		select {
		case t.Look <- struct{}{}:
		default:
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-t.program.Done():
			return nil, ErrEnded
		case <-late:
			return nil, ErrNotListening
		case <-changed:
		case <-time.After(pause):
		}
	}
}

// Probe says whether something listens on one of addrs now.
func Probe(addrs ...string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for _, a := range addrs {
		if c, err := DialOnce(ctx, a); err == nil {
			c.Close()
			return true
		}
	}
	return false
}

// DialOnce connects to HOST:PORT or to the path of a Unix socket.
func DialOnce(ctx context.Context, addr string) (net.Conn, error) {
	d := net.Dialer{Timeout: 5 * time.Second}
	if strings.HasPrefix(addr, "/") {
		return d.DialContext(ctx, "unix", addr)
	}
	return d.DialContext(ctx, "tcp", addr)
}

// Loopbacks are the addresses of a port on this machine.
func Loopbacks(port int) []string {
	return DialAddrs([]netip.AddrPort{netip.AddrPortFrom(netip.IPv6Unspecified(), uint16(port))})
}

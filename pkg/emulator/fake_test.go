package emulator_test

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/pkg/emulator"
	"github.com/imgbuild/imgbuild/pkg/template"
)

// fake is a runtime whose instances are servers of this process.
type fake struct {
	handle  http.HandlerFunc
	refuse  error         // of Start
	never   bool          // they do not listen
	slow    time.Duration // how long a start takes
	started atomic.Int64
	closed  atomic.Int64
	frozen  atomic.Int64
	thawed  atomic.Int64

	mu  sync.Mutex
	all []*fakeInstance
}

type fakeInstance struct {
	of       *fake
	spec     emulator.Spec
	listener net.Listener
	server   *http.Server
	done     chan struct{}
	end      sync.Once
	code     int
}

func (f *fake) Name() string { return "fake" }

func (f *fake) Start(_ context.Context, s emulator.Spec) (emulator.Running, error) {
	if f.refuse != nil {
		return nil, f.refuse
	}
	f.started.Add(1)
	time.Sleep(f.slow)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	i := &fakeInstance{of: f, spec: s, listener: l, done: make(chan struct{})}
	i.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.handle(w, r.WithContext(context.WithValue(r.Context(), instanceKey{}, i)))
	})}
	go i.server.Serve(l)
	f.mu.Lock()
	f.all = append(f.all, i)
	f.mu.Unlock()
	return i, nil
}

type instanceKey struct{}

// of is the instance that a request came to.
func of(r *http.Request) *fakeInstance { return r.Context().Value(instanceKey{}).(*fakeInstance) }

// exit ends the instance as if its program had.
func (i *fakeInstance) exit(code int) {
	i.end.Do(func() {
		i.code = code
		i.listener.Close()
		close(i.done)
		go i.server.Close()
	})
}

func (i *fakeInstance) print(text string) { _, _ = io.WriteString(i.spec.Output, text) }

func (i *fakeInstance) Dial(ctx context.Context) (net.Conn, error) {
	if i.of.never {
		return nil, syscall.ECONNREFUSED
	}
	return new(net.Dialer).DialContext(ctx, "tcp", i.listener.Addr().String())
}

func (i *fakeInstance) Freeze(context.Context) error { i.of.frozen.Add(1); return nil }
func (i *fakeInstance) Thaw(context.Context) error   { i.of.thawed.Add(1); return nil }

func (i *fakeInstance) Signal(_ context.Context, s syscall.Signal) error {
	i.exit(128 + int(s))
	return nil
}

func (i *fakeInstance) Done() <-chan struct{} { return i.done }
func (i *fakeInstance) Code() int             { <-i.done; return i.code }
func (i *fakeInstance) Memory() int64         { return 12 << 20 }

func (i *fakeInstance) Close() error {
	i.of.closed.Add(1)
	i.exit(137)
	return nil
}

// play starts an emulator that ends with the test. The function has more time
// than the platform's 3 s, where nothing is said of it: the machine may be busy.
func play(t testing.TB, fn template.Function, rt emulator.Runtime, o emulator.Options) *emulator.Emulator {
	t.Helper()
	fn.Timeout, fn.Initializer.Timeout = cmp.Or(fn.Timeout, time.Minute), cmp.Or(fn.Initializer.Timeout, time.Minute)
	e, err := emulator.New(fn, rt, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// invoke calls the function; the machine must not fail.
func invoke(t testing.TB, e *emulator.Emulator, event string) emulator.Result {
	t.Helper()
	r, err := e.Invoke(t.Context(), []byte(event))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// says checks an answer.
func says(t testing.TB, r emulator.Result, want string) {
	t.Helper()
	if r.Failed() || string(r.Body) != want {
		t.Errorf("the answer is %d %.300q, %s; want %.300q", r.Status, r.Body, r.ErrorType, want)
	}
}

// fails checks an error of the platform's.
func fails(t testing.TB, r emulator.Result, status int, code string) {
	t.Helper()
	if r.Error == nil || r.Status != status || r.ErrorType != code || r.Error.RequestID != r.RequestID {
		t.Errorf("the answer is %d %.300q, %q; want the platform's %d %s", r.Status, r.Body, r.ErrorType, status, code)
	}
}

// until waits for something that happens soon.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for limit := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("did not happen: " + what)
		}
	}
}

// enough tries something that must happen within a time that the test gives it:
// with ever more, for the machine may be busy.
func enough(t testing.TB, first time.Duration, try func(within time.Duration) (bool, string)) {
	t.Helper()
	for within := first; ; within *= 4 {
		ok, what := try(within)
		if ok {
			return
		}
		if within > 10*time.Second {
			t.Fatalf("within %s: %s", within, what)
		}
	}
}

var errMachine = errors.New("no disk")

package front

import (
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// body is a request's body of unknown length.
type body struct{ io.Reader }

func (body) Buffered() int { return 0 }

func TestBodyLimit(t *testing.T) {
	reads := program(func(x message.Exchange) error {
		if _, err := io.Copy(io.Discard, x.Request().Body); err != nil {
			return message.ErrAborted
		}
		message.Answer(x, 200, nil, nil)
		return nil
	})
	for n, want := range map[int]int{9: 200, 10: 200, 11: 413} {
		for _, known := range []bool{true, false} {
			f, _ := newFront(reads, func(o *Options) { o.BodyLimit = 10 })
			x := ask("POST", "/")
			x.request.Length, x.request.Body = -1, body{strings.NewReader(strings.Repeat("x", n))}
			if known {
				x.request.Length = int64(n)
			}
			f.Serve(x)
			if x.head == nil || x.head.Status != want {
				t.Errorf("%d bytes, length known %v: %q", n, known, x.text())
			}
		}
	}
}

func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs := program(func(x message.Exchange) error {
			ended := make(chan struct{})
			x.OnGone(func() { close(ended) })
			<-ended
			return message.ErrAborted
		})
		f, _ := newFront(hangs, func(o *Options) { o.Timeout = time.Second })
		x := ask("GET", "/")
		began := time.Now()
		f.Serve(x)
		if x.head == nil || x.head.Status != 504 || time.Since(began) != time.Second {
			t.Errorf("%q after %s", x.text(), time.Since(began))
		}
	})
}

// Where each call has a program of its own, none shows the lines of another.
func TestTimeoutHasTheLinesOfItsRun(t *testing.T) {
	for _, lines := range [][]string{{"of this run"}, {}} {
		synctest.Test(t, func(t *testing.T) {
			hangs := program(func(x message.Exchange) error {
				ended := make(chan struct{})
				x.OnGone(func() { close(ended) })
				<-ended
				return errors.Join(message.ErrAborted, &message.Failure{Status: 502, Lines: lines})
			})
			f, log := newFront(hangs, func(o *Options) { o.Timeout = time.Second })
			log.tail = []string{"of another"}
			x := ask("GET", "/")
			f.Serve(x)
			if text := x.text(); x.head.Status != 504 || strings.Contains(text, "of another") || strings.Contains(text, "of this run") != (len(lines) > 0) {
				t.Error(text)
			}
		})
	}
}

func TestConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := program(func(x message.Exchange) error {
			time.Sleep(time.Second)
			message.Answer(x, 200, nil, nil)
			return nil
		})
		f, _ := newFront(slow, func(o *Options) { o.Concurrency, o.Queue = 2, 1 })
		counts := map[int]int{}
		var mu sync.Mutex
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() {
				x := ask("GET", "/")
				f.Serve(x)
				mu.Lock()
				counts[x.head.Status]++
				mu.Unlock()
			})
		}
		hook := ask("GET", "/pre-freeze")
		all.Go(func() { f.Serve(hook) })
		began := time.Now()
		all.Wait()
		if counts[200] != 3 || counts[429] != 2 || time.Since(began) != 2*time.Second || hook.head.Status != 200 {
			t.Errorf("%v after %s, the hook %s", counts, time.Since(began), hook.text())
		}
	})
}

func TestQueueIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		slow := program(func(x message.Exchange) error {
			<-release
			message.Answer(x, 200, nil, nil)
			return nil
		})
		f, _ := newFront(slow, func(o *Options) { o.Concurrency, o.Queue, o.Timeout = 1, 2, time.Minute })
		first := ask("GET", "/")
		go f.Serve(first)
		synctest.Wait()
		left, late := ask("GET", "/"), ask("GET", "/")
		go f.Serve(left)
		go f.Serve(late)
		synctest.Wait()
		left.gone()
		time.Sleep(61 * time.Second)
		synctest.Wait()
		if left.head.Status != 429 || late.head.Status != 504 || len(f.gate.queue) != 0 {
			t.Errorf("%q, %q, %d wait", left.text(), late.text(), len(f.gate.queue))
		}
		close(release)
	})
}

// TestTimeoutCountsTheQueue: a call has its time once, not once in the queue
// and once more with the program.
func TestTimeoutCountsTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs := program(func(x message.Exchange) error {
			ended := make(chan struct{})
			x.OnGone(sync.OnceFunc(func() { close(ended) }))
			<-ended
			return message.ErrAborted
		})
		f, _ := newFront(hangs, func(o *Options) { o.Concurrency, o.Queue, o.Timeout = 1, 1, time.Minute })
		began := time.Now()
		go f.Serve(ask("GET", "/"))
		time.Sleep(30 * time.Second)
		second := ask("GET", "/")
		f.Serve(second) // its turn is after half of its time
		if second.head.Status != 504 || time.Since(began) != 90*time.Second {
			t.Errorf("%q after %s", second.text(), time.Since(began))
		}
	})
}

func TestPreStopWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var order []string
		f, _ := newFront(func(x message.Exchange) error {
			if x.Request().Path() == "/" {
				time.Sleep(5 * time.Second)
			}
			order = append(order, x.Request().Path())
			message.Answer(x, 200, nil, nil)
			return nil
		})
		go f.Serve(ask("GET", "/"))
		synctest.Wait()
		f.Serve(ask("GET", "/pre-stop"))
		if strings.Join(order, " ") != "/ /pre-stop" {
			t.Error(order)
		}
	})
}

func TestWarnings(t *testing.T) {
	f, l := newFront(says(200, ""))
	for range 2 {
		x := ask("POST", "/"+strings.Repeat("a", 5000), "X-Big", strings.Repeat("b", 9000))
		x.request.Length, x.request.Body = 33<<20, body{strings.NewReader("")}
		f.Serve(x)
	}
	text := strings.Join(l.lines, "\n")
	for _, want := range []string{"a body of 34603008 bytes", "a path and query of 5001 bytes", "bytes of headers"} {
		if strings.Count(text, want) != 1 {
			t.Errorf("%q is not said once in %q", want, text)
		}
	}
}

package runtimeapi

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

func TestOddAnswers(t *testing.T) {
	a, s := scripted(t)
	answer := func(path, params, body string) (*call, error) {
		t.Helper()
		x := newCall("GET", "/", "")
		done := begin(a, x)
		id := s.poll()
		req, _ := http.NewRequest("POST", "http://"+s.addr+prefix+id+path, strings.NewReader(body))
		if params != "" {
			req.Header.Set(headerParams, params)
		}
		r, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != 200 {
			t.Errorf("the program got %d", r.StatusCode)
		}
		return x, await(t, done)
	}
	for _, params := range []string{"%", "e30", "bnVsbA=", "eyJzdGF0dXMiOjEwMH0="} { // bad base64, {"status":100}
		var f *message.Failure
		if _, err := answer("/response", params, "x"); !errors.As(err, &f) || f.Type != message.ProgramBadAnswer {
			t.Errorf("%s: %v", params, err)
		}
	}
	for body, want := range map[string]string{
		"not JSON": `{"errorMessage":"not JSON","errorType":"UnknownError"}`,
		"":         `{"errorMessage":"","errorType":"UnknownError"}`,
		"{}":       `{"errorMessage":"{}","errorType":"UnknownError"}`,
	} {
		x, err := answer("/error", "", body)
		if err != nil || x.head.Status != 502 || x.body.String() != want {
			t.Errorf("%q: %v %+v %s", body, err, x.head, x.body.String())
		}
	}
}

func TestBodies(t *testing.T) {
	a, s := scripted(t)
	for _, n := range []int{small, small + 1, 200_000, 32 << 20, 32<<20 + 1} {
		for _, known := range []bool{true, false} {
			x := newCall("POST", "/invoke", strings.Repeat("x", n))
			if !known {
				x.request.Length = -1
			}
			done := begin(a, x)
			if n > 32<<20 {
				var f *message.Failure
				if err := await(t, done); !errors.As(err, &f) || f.Status != 413 {
					t.Error(err)
				}
				continue
			}
			r, err := http.Get("http://" + s.addr + prefix + "next")
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.Copy(io.Discard, r.Body)
			r.Body.Close()
			held := int64(n)
			if n <= small && known { // one that may go on counts
				held = 0
			}
			if got := a.memory.total - free(a.memory); got != held {
				t.Errorf("%d bytes, length known %v: %d bytes held, want %d", n, known, got, held)
			}
			if err != nil || got != int64(n) {
				t.Errorf("%d bytes of %d: %v", got, n, err)
			}
			s.post(r.Header.Get("x-fc-request-id")+"/response", "")
			_ = await(t, done)
			if got := free(a.memory); got != a.memory.total {
				t.Errorf("%d of %d bytes free", got, a.memory.total)
			}
		}
	}
	x := newCall("POST", "/invoke", "{}")
	x.request.Body, x.request.Length = text{io.MultiReader(strings.NewReader("abc"), broken{})}, 10
	if err := await(t, begin(a, x)); !errors.Is(err, message.ErrAborted) || len(a.waiting) != 0 {
		t.Errorf("a client that breaks off: %v", err)
	}
}

func free(b *budget) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.free
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestBudget(t *testing.T) {
	b := newBudget(10)
	if n, ok := b.take(25, nil); n != 10 || !ok {
		t.Fatal(n, ok)
	}
	stop := make(chan struct{})
	got := make(chan bool, 2)
	go func() { _, ok := b.take(8, stop); got <- ok }()
	for {
		b.mu.Lock()
		n := len(b.queue)
		b.mu.Unlock()
		if n == 1 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	go func() { _, ok := b.take(2, nil); got <- ok }()
	b.give(3) // not enough for the first, who is waited for
	select {
	case <-got:
		t.Error("somebody was served out of turn")
	case <-time.After(10 * time.Millisecond):
	}
	close(stop)
	if a, b := <-got, <-got; a == b {
		t.Error("both the same")
	}
	b.give(7)
	if b.free != 8 {
		t.Errorf("%d free", b.free)
	}
}

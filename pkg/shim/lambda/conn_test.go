package lambda

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/pkg/shim/lambda/lambdatest"
	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

func echo(x message.Exchange) {
	body, _ := io.ReadAll(x.Request().Body)
	message.Answer(x, 200, nil, body)
}

func TestConnectionsBreak(t *testing.T) {
	c := run(t, Options{}, lambdatest.Options{}, echo)
	for i := range 20 {
		if i%2 == 0 {
			_ = c.api.Idle(t.Context())
			c.api.Break() // while a poll waits
		}
		if r := c.invoke(lambdatest.Event{Payload: fmt.Append(nil, i)}); string(r.Payload) != fmt.Sprint(i) {
			t.Fatalf("%+v", r)
		}
	}
}

// TestBreakWhileAnswering breaks the connection between the event and its
// answer, as a thaw may find it.
func TestBreakWhileAnswering(t *testing.T) {
	var c *container
	c = run(t, Options{}, lambdatest.Options{}, func(x message.Exchange) {
		c.api.Break()
		time.Sleep(10 * time.Millisecond)
		echo(x)
	})
	for i := range 5 {
		if r := c.invoke(lambdatest.Event{Payload: fmt.Append(nil, i)}); string(r.Payload) != fmt.Sprint(i) {
			t.Fatalf("%+v", r)
		}
	}
}

func TestFreeze(t *testing.T) {
	var frozen atomic.Bool
	var times atomic.Int32
	c := run(t, Options{}, lambdatest.Options{
		Freeze: func() { frozen.Store(true); times.Add(1) },
		Thaw:   func() { frozen.Store(false) },
	}, func(x message.Exchange) {
		if frozen.Load() {
			panic("it runs while it is frozen")
		}
		echo(x)
	})
	for range 5 {
		c.invoke(lambdatest.Event{Payload: []byte("{}")})
		time.Sleep(5 * time.Millisecond)
	}
	if n := times.Load(); n < 4 {
		t.Errorf("frozen %d times", n)
	}
}

func TestPollers(t *testing.T) {
	c := run(t, Options{Getenv: func(string) string { return "4" }}, lambdatest.Options{Concurrency: 4}, func(x message.Exchange) {
		time.Sleep(500 * time.Millisecond)
		echo(x)
	})
	began := time.Now()
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			r, err := c.api.Invoke(t.Context(), lambdatest.Event{Payload: fmt.Append(nil, i)})
			if err != nil || string(r.Payload) != fmt.Sprint(i) {
				t.Errorf("%+v %v", r, err)
			}
		})
	}
	all.Wait()
	if d := time.Since(began); d >= 8*time.Second { // what they take one after the other
		t.Errorf("16 events of 0.5 s, 4 at once, took %s", d)
	}
}

func TestInitError(t *testing.T) {
	api := lambdatest.New(lambdatest.Options{})
	defer api.Close()
	c := New(Options{API: api.Addr})
	f := &message.Failure{Type: message.ProgramNotStarted, Message: "it is \"no\" program"}
	if err := c.InitError(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	r, err := api.InitError(t.Context())
	if err != nil || r.ErrorType != message.ProgramNotStarted || string(r.Payload) != `{"errorMessage":"it is \"no\" program","errorType":"ProgramNotStarted","stackTrace":[]}` {
		t.Errorf("%+v %v", r, err)
	}
	if err := c.InitError(t.Context(), f); err == nil || len(api.Violations()) != 1 {
		t.Errorf("a second init error: %v", err)
	}
}

// scripted serves one connection after the other with the given answers. One
// that is empty, or ends in CLOSE, ends the connection.
func scripted(t *testing.T, answers ...string) (addr string, requests func() []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var seen []string
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			b := bufio.NewReader(c)
			for {
				r, err := http.ReadRequest(b)
				if err != nil {
					break
				}
				body, _ := io.ReadAll(r.Body)
				mu.Lock()
				seen = append(seen, r.Method+" "+r.URL.Path+" "+string(body))
				answer := ""
				if len(answers) > 0 {
					answer, answers = answers[0], answers[1:]
				}
				mu.Unlock()
				part, last := strings.CutSuffix(answer, "CLOSE")
				_, _ = io.WriteString(c, part)
				if last || answer == "" {
					break
				}
			}
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close() })
	return l.Addr().String(), func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string(nil), seen...)
	}
}

const (
	eventAnswer = "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: one\r\nLambda-Runtime-Deadline-Ms: 99999999999999\r\nContent-Length: 2\r\n\r\n{}"
	accepted    = "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"
)

func answered(status string) string { return "HTTP/1.1 " + status + "\r\nContent-Length: 2\r\n\r\n{}" }

func TestFaults(t *testing.T) {
	for _, c := range []struct {
		name     string
		answers  []string
		requests string // what is sent, in short
		err      string // of Run
		said     string
	}{
		{"the API has an error", []string{answered("500 Error")}, "next", "status 500", ""},
		{"a poll is forbidden", []string{answered("403 Forbidden")}, "next", "status 403", ""},
		{"an event without an id", []string{answered("200 OK")}, "next", "without Lambda-Runtime-Aws-Request-Id", ""},
		{"no HTTP", []string{"SMTP\r\n\r\n", answered("500 E")}, "next next", "status 500", ""},
		{"an answer is refused", []string{eventAnswer, answered("413 Too Large"), answered("500 E")}, "next response next", "status 500", "status 413"},
		{"the API has an error upon the answer", []string{eventAnswer, answered("500 E")}, "next response", "status 500", ""},
		{"the connection dies before the answer", []string{eventAnswer, "", accepted, answered("500 E")}, "next response response next", "status 500", ""},
		{"the answer had arrived", []string{eventAnswer, "", answered("400 Bad"), answered("500 E")}, "next response response next", "status 500", ""},
		{"it dies twice", []string{eventAnswer, "", "", answered("500 E")}, "next response response next", "status 500", "was lost"},
		{"it dies within what it says", []string{eventAnswer, "HTTP/1.1 20CLOSE", answered("500 E")}, "next response next", "status 500", "was lost"},
		{"an event that is cut off", []string{"HTTP/1.1 200 OK\r\nConnection: close\r\nLambda-Runtime-Aws-Request-Id: one\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", accepted, answered("500 E")}, "next error next", "status 500", ""},
	} {
		addr, requests := scripted(t, c.answers...)
		var mu sync.Mutex
		said := ""
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		err := New(Options{API: addr, Handler: message.HandlerFunc(echoAll), Say: func(format string, args ...any) {
			mu.Lock()
			defer mu.Unlock()
			said += fmt.Sprintf(format, args...)
		}}).Run(ctx)
		cancel()
		if err == nil || !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v", c.name, err)
		}
		var short []string
		for _, r := range requests() {
			path := strings.Fields(r)[1]
			short = append(short, path[strings.LastIndex(path, "/")+1:])
		}
		if got := strings.Join(short, " "); got != c.requests {
			t.Errorf("%s: sent %s", c.name, got)
		}
		if (c.said == "") != (said == "") || !strings.Contains(said, c.said) {
			t.Errorf("%s: said %q", c.name, said)
		}
	}
}

func echoAll(x message.Exchange) { message.Answer(x, 200, nil, []byte("ok")) }

func TestAPIGone(t *testing.T) {
	began := time.Now()
	err := New(Options{API: "127.0.0.1:1"}).Run(t.Context()) // nobody's
	if d := time.Since(began); err == nil || !strings.Contains(err.Error(), "cannot be reached") || d < time.Second || d > 30*time.Second {
		t.Errorf("%v after %s", err, d)
	}
}

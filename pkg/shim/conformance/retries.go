package conformance

import (
	"math/rand/v2"
	"strings"
	"syscall"
	"time"
)

var retryRules = []Rule{
	{
		Name: "retries/post-once", Source: sourceHTTP + ", section 9.2.2",
		Doc: "a POST or PATCH that the program may have begun to work on is never sent twice",
		Run: func(t *Trial) {
			c := t.Raw()
			for _, end := range []string{"close", "reset"} {
				for _, method := range []string{"POST", "PATCH"} {
					for range 3 { // on new and on kept connections
						c.Ask("GET", "/", "")
						before := strings.Count(c.Stdout.String(), "paid\n")
						a := c.Ask(method, "/", "pay", "X-Do", Do("read", print("paid\n"), end))
						if a.Status != 502 || !strings.Contains(a.Body, "ProgramClosedConnection") {
							t.Errorf("%s and %s: status %d, body %q", method, end, a.Status, a.Body)
						}
						time.Sleep(30 * time.Millisecond)
						if n := strings.Count(c.Stdout.String(), "paid\n") - before; n != 1 {
							t.Errorf("%s and %s: sent %d times", method, end, n)
						}
					}
				}
			}
		},
	},
	{
		Name: "retries/unread-post", Source: sourceHTTP1 + ", section 9.3.1",
		Doc: "a POST on a kept connection that turns out to be dead reaches the program",
		Run: func(t *Trial) {
			c := t.Program([]string{"raw", "idle=100ms"})
			c.Ready()
			for n := range 30 {
				c.Ask("GET", "/", "")
				time.Sleep(time.Duration(95+n%10) * time.Millisecond)
				if a := c.Ask("POST", "/", "x", "X-Do", "read;length"); a.Status != 200 || a.Body != "1" {
					t.Errorf("POST %d: %d %q %v", n, a.Status, a.Body, a.Err)
				}
			}
		},
	},
	{
		Name: "retries/idle-close", Source: sourceShim + " (Node.js closes after 5 s)",
		Doc: "a program that closes idle connections costs no request, whenever it does so",
		Run: func(t *Trial) {
			c := t.Program([]string{"raw", "idle=50ms"})
			c.Ready()
			random := rand.New(rand.NewPCG(1, 2))
			for n := range 60 {
				method := []string{"GET", "POST", "PUT"}[n%3]
				if a := c.Ask(method, "/", "x"); a.Status != 200 {
					t.Errorf("%s %d: %d %q %v", method, n, a.Status, a.Body, a.Err)
				}
				time.Sleep(time.Duration(45+random.IntN(10)) * time.Millisecond)
			}
		},
	},
	{
		Name: "retries/get", Source: sourceHTTP1 + ", section 9.3.1",
		Doc: "a GET on a kept connection that the program has just closed is sent again over another",
		Run: func(t *Trial) {
			c := t.Raw()
			for n := range 40 {
				// The program says nothing of closing and does so at once.
				if a := c.Ask("GET", "/", "", "X-Do", Do("read", status(200, ""), "close")); a.Status != 200 {
					t.Fatalf("request %d: %+v", n, a)
				}
			}
		},
	},
	{
		Name: "retries/restart", Source: sourceShim,
		Doc: "requests wait for a server whose process is started anew under the program",
		Run: func(t *Trial) {
			c := t.Script([]string{"run raw", "sleep 300ms", "again"})
			c.Ready()
			for n := range 2 {
				c.Ask("POST", "/", "", "X-Do", "exit:1")
				if a := c.Ask("POST", "/", "x", "X-Do", "read;length"); a.Status != 200 {
					t.Errorf("request %d after the server had ended: %+v", n, a)
				}
			}
		},
	},
	{
		Name: "retries/never-reached", Source: sourceShim,
		Doc: "a request that has no way to a program that has listened once fails with what is wrong, and in seconds",
		Run: func(t *Trial) {
			c := t.Script([]string{"run raw", "sleep 60s"}, "SHIM_READY_TIMEOUT=1s")
			c.Ready()
			c.Ask("POST", "/", "", "X-Do", "exit:1")
			if a := c.Ask("POST", "/", "x"); a.Status != 502 && a.Status != 503 || !strings.Contains(a.Body, `"errorType":"Program`) {
				t.Errorf("%+v", a)
			}
		},
	},
}

var freezeRules = []Rule{
	{
		Name: "freeze/all", Source: sourceContainer + ", instance life",
		Doc: "no request fails after a freeze and thaw of the whole container, though the program's idle connections are long overdue",
		Run: func(t *Trial) {
			c := t.Program([]string{"raw", "idle=200ms"})
			c.Ready()
			for n := range 3 {
				for range 5 {
					c.Ask("GET", "/", "")
				}
				c.freeze(500 * time.Millisecond)
				for _, method := range []string{"POST", "GET", "PATCH"} {
					if a := c.Ask(method, "/", "x"); a.Status != 200 {
						t.Errorf("%s after thaw %d: %d %q %v", method, n, a.Status, a.Body, a.Err)
					}
				}
			}
		},
	},
	{
		Name: "freeze/in-request", Source: sourceContainer + ", instance life",
		Doc: "requests in flight and connections to clients survive a freeze",
		Run: func(t *Trial) {
			c := t.Raw()
			kept, busy := c.Dial(), c.Dial()
			defer kept.Close()
			defer busy.Close()
			kept.Send(Request("GET", "/", ""))
			kept.Answer("GET")
			busy.Send(Request("POST", "/", "body", "X-Do", "read;sleep:300ms;length"))
			time.Sleep(100 * time.Millisecond)
			c.freeze(time.Second)
			if a := busy.Answer("POST"); a.Status != 200 || a.Body != "4" {
				t.Errorf("the request in flight: %+v", a)
			}
			kept.Send(Request("GET", "/", ""))
			if a := kept.Answer("GET"); a.Status != 200 {
				t.Errorf("the client's connection: %+v", a)
			}
		},
	},
}

// freeze stops every process of the container for a time.
func (c *Container) freeze(d time.Duration) {
	processes, err := c.instance.Processes()
	if err != nil {
		c.t.Fatalf("%v", err)
	}
	for _, pid := range processes {
		_ = syscall.Kill(pid, syscall.SIGSTOP) // it may have ended
	}
	time.Sleep(d)
	for _, pid := range processes {
		_ = syscall.Kill(pid, syscall.SIGCONT)
	}
}

package conformance

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/imgbuild/imgbuild/pkg/fc"
)

var logRules = []Rule{
	{
		Name: "logs/exact", Source: sourceContainer + ", log format",
		Doc: "the platform's lines stand around what the program prints in a request, exactly, and nothing else is added",
		Run: func(t *Trial) {
			c := t.Raw()
			want := ""
			for _, call := range []fc.Call{fc.Invoke, fc.Initialize, fc.PreFreeze, fc.PreStop, fc.HTTP} {
				method := call.Method()
				if method == "" {
					method = "PUT"
				}
				id := "id" + fmt.Sprint(int(call))
				c.Ask(method, call.Path(), "", fc.HeaderControlPath, call.Path(), fc.HeaderRequestID, id, "X-Do", Do("read", print("working on "+id+"\n"), status(200, "")))
				want += call.StartLine(id) + "\nworking on " + id + "\n" + call.EndLine(id, false) + "\n"
				t.Eventually("the End line", func() bool { return c.Stdout.Has(call.EndLine(id, false) + "\n") })
			}
			if got := c.Stdout.String(); got != want {
				t.Errorf("the log is %q, want %q", got, want)
			}
			if c.Stderr.String() != "" {
				t.Errorf("stderr is %q", c.Stderr)
			}
		},
	},
	{
		Name: "logs/undoubled", Source: sourceShim,
		Doc: "where the program prints the platform's lines itself, each is there once, and its word on failure counts",
		Run: func(t *Trial) {
			c := t.Raw()
			want := ""
			for _, failed := range []string{"", fc.LogFailed} {
				id := "id" + fmt.Sprint(len(failed))
				own := "FC Invoke Start RequestId: " + id + "\nworking\r\nFC Invoke End RequestId: " + id + failed + "\n"
				c.Ask("GET", "/", "", fc.HeaderRequestID, id, "X-Do", Do("read", print(own), status(200, "")))
				want += own
				t.Eventually("the End line", func() bool { return c.Stdout.Has("End RequestId: " + id) })
			}
			if got := c.Stdout.String(); got != want {
				t.Errorf("the log is %q, want %q", got, want)
			}
			own := "FC Invoke Start RequestId: other\nFC Invoke Start RequestId: b1 \nFC \nFC Invoke\n"
			c.Ask("GET", "/", "", fc.HeaderRequestID, "b1", "X-Do", Do("read", print(own), status(200, "")))
			t.Eventually("lines that only look like it", func() bool { return c.Stdout.Has(own) })
		},
	},
	{
		Name: "logs/long", Source: sourceShim,
		Doc: "lines of megabytes pass whole, and the platform's lines never fall into them",
		Run: func(t *Trial) {
			c := t.Raw()
			line := strings.Repeat("x", 3<<20) + "\n"
			var all sync.WaitGroup
			for n := range 4 {
				all.Go(func() {
					c.Ask("POST", "/", line, fc.HeaderRequestID, fmt.Sprint("long", n), "X-Do", "outbody;length")
				})
				all.Go(func() { c.Ask("GET", "/", "", fc.HeaderRequestID, fmt.Sprint("short", n)) })
			}
			all.Wait()
			t.Eventually("all bytes", func() bool { return strings.Count(c.Stdout.String(), "x") == 4*(3<<20) })
			t.Eventually("the End lines", func() bool { return strings.Count(c.Stdout.String(), " End RequestId: ") == 8 })
			for l := range strings.Lines(c.Stdout.String()) {
				if strings.Contains(l, "FC ") && strings.Contains(l, "x") {
					t.Errorf("a line has both: %.100q … %q", l, l[max(0, len(l)-100):])
				}
			}
		},
	},
	{
		Name: "logs/whole-lines", Source: sourceShim,
		Doc: "many requests at once: every line of the platform is a line of its own, and the program's bytes keep their order",
		Run: func(t *Trial) {
			c := t.Raw()
			var all sync.WaitGroup
			for n := range 100 {
				all.Go(func() {
					c.Ask("GET", "/", "", fc.HeaderRequestID, fmt.Sprintf("r%03d", n), "X-Do", Do("read", print(fmt.Sprintf("begin %03d", n)), "sleep:1ms", print("end\n"), status(200, "")))
				})
			}
			all.Wait()
			t.Eventually("the End lines", func() bool { return strings.Count(c.Stdout.String(), " End RequestId: ") == 100 })
			ours, rest := map[string]int{}, ""
			for l := range strings.Lines(c.Stdout.String()) {
				if strings.HasPrefix(l, "FC Invoke ") {
					ours[strings.TrimSpace(l)]++
				} else {
					rest += l
				}
			}
			for n := range 100 {
				id := fmt.Sprintf("r%03d", n)
				if ours[fc.Invoke.StartLine(id)] != 1 || ours[fc.Invoke.EndLine(id, false)] != 1 {
					t.Fatalf("%s has %d Start and %d End lines of their own", id, ours[fc.Invoke.StartLine(id)], ours[fc.Invoke.EndLine(id, false)])
				}
			}
			if strings.Count(rest, "begin ") != 100 || strings.Count(rest, "end\n") != 100 || strings.Contains(rest, "FC ") {
				t.Errorf("the program's output is %.300q", rest)
			}
		},
	},
	{
		Name: "logs/blocked", Source: sourceShim,
		Doc: "where nobody reads the log, requests are answered all the same, and what fits comes when somebody does",
		Run: func(t *Trial) {
			held, release := Held()
			defer release()
			c := t.Start(Case{Command: []string{"./program", "raw"}, Stdout: held})
			c.Ready()
			conn := c.Dial()
			defer conn.Close()
			conn.Send(Request("POST", "/", strings.Repeat("y", 1<<20), "X-Do", "outbody;length")) // the program blocks, as it would without a shim
			time.Sleep(100 * time.Millisecond)
			begin := time.Now()
			for n := range 30 {
				if a := c.Ask("GET", "/", "", fc.HeaderRequestID, fmt.Sprint("blocked", n)); a.Status != 200 {
					t.Fatalf("%+v", a)
				}
			}
			if d := time.Since(begin); d > 6*time.Second {
				t.Errorf("30 requests took %s", d)
			}
			release()
			t.Eventually("the lines", func() bool { return held.Has("FC Invoke End RequestId: blocked29\n") })
		},
	},
	{
		Name: "logs/last", Source: sourceShim,
		Doc: "the program's last output is whole when the container ends, also for a slow reader",
		Run: func(t *Trial) {
			slow := &slowOutput{}
			c := t.Start(Case{Command: []string{"./program", "lines", "zeros 180000", "say err last"}, Stdout: slow})
			c.Code(20 * time.Second)
			if slow.n != 180000 {
				t.Errorf("%d of 180000 bytes came", slow.n)
			}
			if c.Stderr.String() != "last\n" {
				t.Errorf("stderr is %q", c.Stderr)
			}
		},
	},
	{
		Name: "logs/off", Source: sourceShim + ", SHIM_REQUEST_LOG",
		Doc: "SHIM_REQUEST_LOG=off: the output is the program's alone",
		Run: func(t *Trial) {
			c := t.Raw("SHIM_REQUEST_LOG=off")
			c.Ask("GET", "/", "", "X-Do", Do("read", print("mine\n"), status(200, "")))
			t.Eventually("the program's line", func() bool { return c.Stdout.Has("mine\n") })
			c.signal(15)
			c.Code(5 * time.Second)
			if c.Stdout.String() != "mine\n" {
				t.Errorf("stdout is %q", c.Stdout)
			}
		},
	},
	{
		Name: "logs/secrets", Source: sourceShim + ", SHIM_MASK",
		Doc: "credentials that arrive in headers never reach a log, though the program prints them or dies of them",
		Run: func(t *Trial) {
			c := t.Raw()
			secrets := map[string]string{
				fc.HeaderAccessKeySecret: "very-secret-key-9876543210", fc.HeaderSecurityToken: "CAIS" + strings.Repeat("token0", 60),
				"Authorization": "Bearer abcdefghijklmnop", "Proxy-Authorization": "Basic dXNlcjpwYXNzd29yZDEyMzQ1",
			}
			fields, steps := []string{}, []string{"read"}
			for name, value := range secrets {
				fields = append(fields, name, value)
				steps = append(steps, "outfield:"+name)
			}
			steps = append(steps, print("in the middle: very-secret-"), "sleep:5ms", print("key-9876543210 of a line\n"), "err:"+strings.TrimPrefix(print("key: very-secret-key-9876543210\n"), "out:"))
			a := c.Ask("POST", "/invoke", "", append(fields, "X-Do", Do(append(steps, "echo")...))...)
			for name, value := range secrets {
				if !strings.Contains(a.Body, value) {
					t.Errorf("the program did not get %s", name)
				}
			}
			t.Eventually("the program's lines", func() bool { return c.Stdout.Has("of a line\n") && c.Stderr.Has("key: ") })
			a = c.Ask("POST", "/invoke", "", append(fields, "X-Do", Do(append(steps, "exit:3")...))...)
			c.Code(5 * time.Second)
			for name, value := range secrets {
				if c.Stdout.Has(value) || c.Stderr.Has(value) {
					t.Errorf("%s is in the log", name)
				}
				if strings.Contains(a.Body, value) {
					t.Errorf("%s is in the answer about the program's death", name)
				}
			}
			if !c.Stdout.Has("in the middle: ") || !c.Stdout.Has(" of a line\n") {
				t.Errorf("the rest of the line is gone: %q", c.Stdout)
			}
		},
	},
	{
		Name: "logs/mask-off", Source: sourceShim + ", SHIM_MASK",
		Doc: "SHIM_MASK=off leaves the program's output as it is",
		Run: func(t *Trial) {
			c := t.Raw("SHIM_MASK=off")
			c.Ask("GET", "/", "", "Authorization", "Bearer abcdefghijklmnop", "X-Do", "outfield:Authorization;read;echo")
			t.Eventually("the line", func() bool { return c.Stdout.Has("Bearer abcdefghijklmnop\n") })
		},
	},
	{
		Name: "logs/json", Source: sourceShim + ", SHIM_LOG_FORMAT",
		Doc: "SHIM_LOG_FORMAT=json: every line of the program is a JSON object with the id of the request in flight",
		Run: func(t *Trial) {
			c := t.Raw("SHIM_LOG_FORMAT=json")
			c.Ask("POST", "/invoke", "", fc.HeaderRequestID, "j1", "X-Do", Do("read", print("say \"hi\"\tü\n"), "sleep:20ms", status(200, "")))
			t.Eventually("the End line", func() bool { return strings.Contains(c.Stdout.String(), "End") })
			said := false
			for l := range strings.Lines(c.Stdout.String()) {
				if line := strings.TrimSuffix(l, "\n"); line == fc.Invoke.StartLine("j1") || line == fc.Invoke.EndLine("j1", false) {
					continue // the platform's lines stay as the platform reads them
				}
				var o map[string]any
				if err := json.Unmarshal([]byte(l), &o); err != nil {
					t.Errorf("%q is not JSON: %v", l, err)
					continue
				}
				if !strings.Contains(l, "j1") {
					t.Errorf("%q lacks the request's id", l)
				}
				for _, v := range o {
					said = said || v == "say \"hi\"\tü"
				}
			}
			if !said {
				t.Errorf("the program's line is not in %q", c.Stdout)
			}
		},
	},
}

// slowOutput takes 10 KB at a time and waits in between.
type slowOutput struct{ n int }

func (s *slowOutput) Write(p []byte) (int, error) {
	time.Sleep(50 * time.Millisecond)
	s.n += len(p)
	return len(p), nil
}

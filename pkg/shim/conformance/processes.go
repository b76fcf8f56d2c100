package conformance

import (
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/imgbuild/imgbuild/pkg/fc"
)

func (c *Container) signal(s syscall.Signal) {
	if err := c.instance.Signal(s); err != nil {
		c.t.Errorf("sending signal %d: %v", s, err)
	}
}

// pid is the program's, by the host's numbers.
func (c *Container) pid() int {
	processes, err := c.instance.Processes()
	if err != nil || len(processes) < 2 {
		c.t.Fatalf("no process beside the shim: %v %v", processes, err)
	}
	return processes[1]
}

var processRules = []Rule{
	{
		Name: "processes/exit-code", Source: sourceShim,
		Doc: "the container ends when the program ends, with its exit code, also 0, or 128+n on signal n",
		Run: func(t *Trial) {
			for line, want := range map[string]int{"exit 0": 0, "exit 3": 3, "exit 255": 255, "kill 9": 137, "kill 15": 143, "kill 1": 129} {
				c := t.Program([]string{"lines", line})
				if code := c.Code(10 * time.Second); code != want {
					t.Errorf("%s: exit code %d, want %d", line, code, want)
				}
			}
			c := t.Raw()
			c.Ask("POST", "/", "", "X-Do", "exit:0")
			if code := c.Code(3 * time.Second); code != 0 {
				t.Errorf("a server that ends with 0: exit code %d", code)
			}
		},
	},
	{
		Name: "processes/signals", Source: sourceShim,
		Doc: "all signals reach the program and its children, and none of them ends the shim",
		Run: func(t *Trial) {
			c := t.Program([]string{"signals", "family"})
			t.Eventually("both run", func() bool { return c.Stdout.Has("family waits") && c.Stdout.Has("child waits") })
			for _, s := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH, syscall.SIGALRM, 40} {
				c.signal(s)
				t.Eventually(fmt.Sprintf("both got signal %d", s), func() bool {
					return c.Stdout.Has(fmt.Sprintf("family %d\n", s)) && c.Stdout.Has(fmt.Sprintf("child %d\n", s))
				})
			}
			c.signal(syscall.SIGTERM)
			if code := c.Code(10 * time.Second); code != 5 {
				t.Errorf("exit code %d after SIGTERM, want the program's 5", code)
			}
		},
	},
	{
		Name: "processes/grace", Source: sourceShim + ", SHIM_GRACE",
		Doc: "a program that ignores SIGTERM is killed after the grace period, not before and not never",
		Run: func(t *Trial) {
			c := t.Program([]string{"signals", "stubborn"}, "SHIM_GRACE=800ms")
			t.Eventually("it runs", func() bool { return c.Stdout.Has("waits") })
			begin := time.Now()
			c.signal(syscall.SIGTERM)
			code := c.Code(10 * time.Second)
			if d := time.Since(begin); code != 137 || d < 700*time.Millisecond || d > 4*time.Second {
				t.Errorf("exit code %d after %s, want 137 after 800ms", code, d)
			}
			if !c.Stdout.Has("stubborn 15\n") {
				t.Errorf("it was killed without being asked")
			}
		},
	},
	{
		Name: "processes/orphans", Source: sourceShim,
		Doc: "orphans are reaped, 10,000 of them, without taking a child away from the program that waits for it",
		Run: func(t *Trial) {
			c := t.Program([]string{"orphans", "10000"})
			code := c.Code(55 * time.Second)
			if got := c.Stdout.String(); code != 0 || got != "zombies: 0\n" {
				t.Errorf("exit code %d, %q", code, got)
			}
		},
	},
	{
		Name: "processes/drain", Source: sourceShim,
		Doc: "SIGTERM lets requests in flight end before the program is told, takes no new ones, and ends with the program",
		Run: func(t *Trial) {
			c := t.Raw()
			conn := c.Dial()
			defer conn.Close()
			conn.Send(Request("GET", "/", "", "X-Do", "sleep:700ms;read;echo"))
			t.Eventually("the request is in flight", func() bool { return c.Stdout.Has("Start") })
			begin := time.Now()
			c.signal(syscall.SIGTERM)
			time.Sleep(200 * time.Millisecond)
			if c.Listens(c.Port) {
				t.Errorf("new connections are taken")
			}
			if a := conn.Answer("GET"); a.Status != 200 {
				t.Errorf("the request in flight: %+v", a)
			}
			if code := c.Code(5 * time.Second); code != 143 {
				t.Errorf("exit code %d, want 143", code)
			}
			if d := time.Since(begin); d > 3*time.Second {
				t.Errorf("the container ended after %s", d)
			}
			if !c.Stdout.Has("End") {
				t.Errorf("no End line")
			}
		},
	},
	{
		Name: "processes/pre-stop", Source: sourceContainer + ", instance life",
		Doc: "/pre-stop reaches the program when the requests in flight have ended, so that it may close what they use",
		Run: func(t *Trial) {
			c := t.Raw()
			conn := c.Dial()
			defer conn.Close()
			conn.Send(Request("GET", "/", "", "X-Do", Do("sleep:500ms", print("worked\n"), "read;echo")))
			t.Eventually("the request is in flight", func() bool { return c.Stdout.Has("Start") })
			a := c.Ask("GET", "/pre-stop", "", fc.HeaderControlPath, "/pre-stop", "X-Do", Do("read", print("stopping\n"), "echo"))
			if a.Status != 200 || !strings.HasPrefix(a.Body, "GET /pre-stop ") {
				t.Errorf("/pre-stop: %+v", a)
			}
			if a := conn.Answer("GET"); a.Status != 200 {
				t.Errorf("the request in flight: %+v", a)
			}
			t.Eventually("the program's lines", func() bool { return c.Stdout.Has("worked\n") && c.Stdout.Has("stopping\n") })
			if out := c.Stdout.String(); strings.Index(out, "stopping\n") < strings.Index(out, "worked\n") {
				t.Errorf("the program was told to stop while it worked: %q", out)
			}
			begin := time.Now()
			if a := c.Ask("GET", "/pre-stop", "", fc.HeaderControlPath, "/pre-stop"); a.Status != 200 || time.Since(begin) > time.Second {
				t.Errorf("/pre-stop with nothing in flight: %d after %s", a.Status, time.Since(begin))
			}
		},
	},
	{
		Name: "processes/daemons", Source: sourceShim,
		Doc: "the container ends with the program though a daemon that it left behind holds its output open and fills it",
		Run: func(t *Trial) {
			c := t.Program([]string{"leave", "4"})
			if code := c.Code(5 * time.Second); code != 4 {
				t.Errorf("exit code %d, want 4", code)
			}
		},
	},
	{
		Name: "processes/group", Source: sourceShim,
		Doc: "the program has a process group of its own",
		Run: func(t *Trial) {
			c := t.Raw()
			pid := c.pid()
			group, err := syscall.Getpgid(pid)
			if err != nil || group != pid {
				t.Errorf("the program %d is in group %d, %v", pid, group, err)
			}
		},
	},
	{
		Name: "processes/command", Source: sourceShim,
		Doc: "arguments reach the program as they are, never split; its input is the container's; and it may write without end of line",
		Run: func(t *Trial) {
			c := t.Program([]string{"args", "a  b", "", "--flag=x y", "$HOME"})
			c.Code(10 * time.Second)
			if got, want := c.Stdout.String(), "\"a  b\"\n\"\"\n\"--flag=x y\"\n\"$HOME\"\n"; got != want {
				t.Errorf("the program got %s, want %s", got, want)
			}
			c = t.Start(Case{Command: []string{"./program", "lines", "cat", "say err err", "print unended"}, Stdin: strings.NewReader("from stdin\n")})
			c.Code(10 * time.Second)
			if c.Stdout.String() != "from stdin\nunended" || c.Stderr.String() != "err\n" {
				t.Errorf("stdout %q, stderr %q", c.Stdout, c.Stderr)
			}
		},
	},
	{
		Name: "processes/bootstrap", Source: sourceShim,
		Doc: "without a command the function's bootstrap is run, in the function's folder",
		Run: func(t *Trial) {
			c := t.Script([]string{"home"}, "SHIM_LINGER=0s")
			if code := c.Code(10 * time.Second); code != 0 || c.Stdout.String() != "at home\n" {
				t.Errorf("exit code %d, %q", code, c.Stdout)
			}
		},
	},
}

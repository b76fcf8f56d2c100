package conformance

import (
	"strings"
	"time"
)

var portRules = []Rule{
	{
		Name: "ports/told", Source: sourceShim,
		Doc: "the program is told its port in PORT, FC_SERVER_PORT and FC_CUSTOM_LISTEN_PORT: 9000 unless the user says another",
		Run: func(t *Trial) {
			for _, test := range []struct {
				env  []string
				want string // the three variables
			}{
				{nil, "9000 9000 9000"},
				{[]string{"FC_CUSTOM_LISTEN_PORT=8080", "FC_INSTANCE_ID=i"}, "9000 9000 9000"},
				{[]string{"PORT=3000"}, "3000 3000 3000"},
				{[]string{"PORT=8080"}, "9000 9000 9000"},
				{[]string{"PORT=3000", "FC_SERVER_PORT=4000"}, "3000 4000 3000"},
				{[]string{"SHIM_TARGET=5000"}, "5000 5000 5000"},
			} {
				c := t.Program([]string{"env", "PORT", "FC_SERVER_PORT", "FC_CUSTOM_LISTEN_PORT"}, test.env...)
				c.Code(10 * time.Second)
				var got []string
				for l := range strings.Lines(c.Stdout.String()) {
					_, v, _ := strings.Cut(strings.TrimSpace(l), "=")
					got = append(got, v)
				}
				if strings.Join(got, " ") != test.want {
					t.Errorf("with %v the program is told %v, want %s", test.env, got, test.want)
				}
			}
		},
	},
	{
		Name: "ports/found", Source: sourceShim,
		Doc: "wherever the program listens, the shim finds it: any port, loopback, IPv4 or IPv6 only, late, a Unix socket",
		Run: func(t *Trial) {
			for _, listen := range []string{"tcp::9000", "tcp::3000", "tcp:127.0.0.1:3000", "tcp4:0.0.0.0:3000", "tcp6:[::]:3000", "tcp6:[::1]:3000", "1500ms>tcp::3000", "unix:./server.sock"} {
				expectAt(t, t.Program([]string{"raw", listen}), listen)
			}
		},
	},
	{
		Name: "ports/descendant", Source: sourceShim,
		Doc: "the server may be a child of a child of the program",
		Run: func(t *Trial) {
			expectAt(t, t.Script([]string{"run lines", "\trun raw tcp::3000"}), "tcp::3000")
		},
	},
	{
		Name: "ports/several", Source: sourceShim,
		Doc: "of several ports the one that the program was told wins, also when it comes later; a debugger's or a random one on loopback never does",
		Run: func(t *Trial) {
			c := t.Program([]string{"raw", "tcp::3000", "700ms>tcp::9000"})
			expectAt(t, c, "tcp::3000")
			t.Eventually("requests go to 9000", func() bool { return c.Ask("GET", "/", "", "X-Do", "where").Body == "tcp::9000" })
			expectAt(t, t.Program([]string{"raw", "tcp:127.0.0.1:9229", "tcp:127.0.0.1:45000", "300ms>tcp::3000"}), "300ms>tcp::3000")
			expectAt(t, t.Program([]string{"raw", "tcp:127.0.0.1:2000", "tcp::3000"}), "tcp::3000")
		},
	},
	{
		Name: "ports/own", Source: sourceShim,
		Doc: "a program that takes 8080 itself keeps it: the shim only supervises",
		Run: func(t *Trial) {
			for _, listen := range []string{"tcp::8080", "tcp4:0.0.0.0:8080", "500ms>tcp::8080"} {
				c := t.Program([]string{"raw", listen})
				expectAt(t, c, listen)
				time.Sleep(200 * time.Millisecond)
				if a := c.Ask("GET", "/", ""); strings.Contains(strings.ToLower(a.Body), "x-fc-request-id") || c.Stdout.Has("FC Invoke") {
					t.Errorf("%s: the shim is in between: %q", listen, a.Body)
				}
				if c.Stderr.String() != "" {
					t.Errorf("%s: the shim had something to say: %s", listen, c.Stderr)
				}
				c.signal(15)
				if code := c.Code(5 * time.Second); code != 143 {
					t.Errorf("%s: exit code %d after SIGTERM, want 143", listen, code)
				}
			}
		},
	},
	{
		Name: "ports/explicit", Source: sourceShim + ", SHIM_TARGET",
		Doc: "an explicit target wins over what the shim finds",
		Run: func(t *Trial) {
			for target, listen := range map[string]string{"4000": "300ms>tcp::4000", "127.0.0.1:4000": "300ms>tcp:127.0.0.1:4000", "/tmp/conformance.sock": "300ms>unix:/tmp/conformance.sock"} {
				expectAt(t, t.Program([]string{"raw", "tcp::9000", listen}, "SHIM_TARGET="+target), listen)
			}
		},
	},
	{
		Name: "ports/not-before", Source: sourceContainer,
		Doc: "the container's port is closed until the program is ready: the platform tries again for 120 s, and counts an answer as ready",
		Run: func(t *Trial) {
			c := t.Program([]string{"raw", "700ms>tcp::9000"})
			begin := time.Now()
			for time.Since(begin) < 500*time.Millisecond {
				if c.Listens(8080) {
					t.Fatalf("port 8080 is open %s after the start, the program listens after 700ms", time.Since(begin))
				}
				time.Sleep(10 * time.Millisecond)
			}
			c.Ready()
			if a := c.Ask("GET", "/", ""); a.Status != 200 {
				t.Errorf("%+v", a)
			}
		},
	},
	{
		Name: "ports/listen", Source: sourceShim + "; " + sourceContainer + "; Knative, container runtime contract",
		Doc: "the shim listens where SHIM_LISTEN, the platform (FC_CUSTOM_LISTEN_PORT) or Knative (K_SERVICE, PORT) says, and never tells the program that port",
		Run: func(t *Trial) {
			for _, env := range [][]string{
				{"SHIM_LISTEN=:8088"}, {"SHIM_LISTEN=127.0.0.1:8088"},
				{"FC_CUSTOM_LISTEN_PORT=8088", "FC_FUNCTION_NAME=f"},
				{"K_SERVICE=s", "PORT=8088"},
			} {
				c := t.Program([]string{"raw"}, env...)
				c.Port = 8088
				c.Ready()
				if a := c.Ask("GET", "/", "", "X-Do", "env:PORT"); a.Status != 200 || a.Body != "9000" {
					t.Errorf("%v: the program is told port %q (status %d)", env, a.Body, a.Status)
				}
				if c.Listens(8080) {
					t.Errorf("%v: 8080 is open, too", env)
				}
			}
		},
	},
}

// expectAt expects that requests reach the server at that place of the test
// program.
func expectAt(t *Trial, c *Container, listen string) {
	c.Ready()
	listen = listen[strings.IndexByte(listen, '>')+1:]
	if a := c.Ask("GET", "/", "", "X-Do", "where"); a.Status != 200 || a.Body != listen {
		t.Errorf("%s: the request came to %q (status %d)", listen, a.Body, a.Status)
	}
}

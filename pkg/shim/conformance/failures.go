package conformance

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/imgbuild/imgbuild/pkg/fc"
)

// failure is the body of an answer that the shim gives in the program's place.
type failure struct {
	ErrorType    string `json:"errorType"`
	ErrorMessage string `json:"errorMessage"`
	RequestID    string `json:"requestId"`
}

// expectFailure reads such an answer.
func expectFailure(t *Trial, what string, a *Answer, kind, says string) {
	var f failure
	if err := json.Unmarshal([]byte(a.Body), &f); err != nil || a.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%s: the body is not JSON: %d %q %v", what, a.Status, a.Body, a.Err)
		return
	}
	if a.Status < 500 || f.ErrorType != kind || !strings.Contains(f.ErrorMessage, says) || f.RequestID == "" {
		t.Errorf("%s: %d %+v, want %s that says %q", what, a.Status, f, kind, says)
	}
}

// bad are programs that cannot be started, and what the shim says of them.
var bad = []struct {
	name string
	file File
	code int
	says string
}{
	{"no run bit", File{Content: "#!/bin/sh\n", Mode: 0o644}, 126, "not executable"},
	{"no shebang", File{Content: "echo hello\n", Mode: 0o755}, 126, "shebang"},
	{"empty", File{Content: "", Mode: 0o755}, 126, "empty"},
	{"Windows line ends", File{Content: "#!/bin/sh\r\necho\r\n", Mode: 0o755}, 127, "Windows line ends"},
	{"missing interpreter", File{Content: "#!/no/such/python3 -u\n", Mode: 0o755}, 127, "/no/such/python3"},
	{"another machine", File{Content: foreign(), Mode: 0o755}, 126, "is built for "},
	{"a program of Windows", File{Content: "MZ\x90\x00", Mode: 0o755}, 126, "Windows program"},
	{"a program of macOS", File{Content: "\xcf\xfa\xed\xfe\x07\x00\x00\x01", Mode: 0o755}, 126, "macOS"},
}

var errorRules = []Rule{
	{
		Name: "errors/start", Source: sourceShim,
		Doc: "a bootstrap that cannot be started: one line on stderr says which of all reasons, the exit code is a shell's, and requests are answered with the reason for a while",
		Run: func(t *Trial) {
			for _, b := range bad {
				c := t.Start(Case{Files: map[string]File{"bootstrap": b.file}, Env: []string{"SHIM_LINGER=1s"}})
				c.Ready()
				expectFailure(t, b.name, c.Ask("POST", "/invoke", "", fc.HeaderRequestID, "id"), "ProgramNotStarted", b.says)
				if code := c.Code(10 * time.Second); code != b.code {
					t.Errorf("%s: exit code %d, want %d", b.name, code, b.code)
				}
				expectOneLine(t, b.name, c, b.says)
			}
		},
	},
	{
		Name: "errors/command", Source: sourceShim,
		Doc: "a command that cannot be started ends the container at once, with a line that says why",
		Run: func(t *Trial) {
			for _, test := range []struct {
				command string
				code    int
				says    string
			}{{"no-such-command", 127, "no-such-command"}, {"/no/such/file", 127, "does not exist"}, {"/tmp", 126, "folder"}, {"./plain", 126, "not executable"}} {
				c := t.Start(Case{Command: []string{test.command, "x"}, Files: map[string]File{"plain": {Content: "#!/bin/sh\n", Mode: 0o644}}})
				if code := c.Code(10 * time.Second); code != test.code {
					t.Errorf("%s: exit code %d, want %d", test.command, code, test.code)
				}
				expectOneLine(t, test.command, c, test.says)
			}
		},
	},
	{
		Name: "errors/library", Source: sourceShim,
		Doc: "a program that lacks its dynamic linker or a library: the answer says so",
		Run: func(t *Trial) {
			c := t.Start(Case{Files: map[string]File{"bootstrap": {Content: withLinker("/lib/no-such-ld.so")}}, Env: []string{"SHIM_LINGER=1s"}})
			c.Ready()
			expectFailure(t, "dynamic linker", c.Ask("GET", "/", ""), "ProgramNotStarted", "/lib/no-such-ld.so")
			// What glibc's dynamic linker prints, and its exit code.
			c = t.Script([]string{"say err ./server: error while loading shared libraries: libfoo.so.7: cannot open shared object file", "exit 127"}, "SHIM_LINGER=1s")
			c.Ready()
			expectFailure(t, "library", c.Ask("GET", "/", ""), "ProgramExited", "libfoo.so.7")
			if code := c.Code(10 * time.Second); code != 127 {
				t.Errorf("exit code %d, want 127", code)
			}
		},
	},
	{
		Name: "errors/nothing", Source: sourceShim,
		Doc: "a container with neither command nor bootstrap says what to do",
		Run: func(t *Trial) {
			c := t.Start(Case{Env: []string{"SHIM_LINGER=0s"}})
			if code := c.Code(10 * time.Second); code == 0 {
				t.Errorf("exit code 0")
			}
			expectOneLine(t, "nothing to run", c, "bootstrap")
		},
	},
	{
		Name: "errors/dies-at-start", Source: sourceShim,
		Doc: "a function that dies before it listens: requests are answered for a while with how it ended and its last lines; the exit code is the program's",
		Run: func(t *Trial) {
			c := t.Script([]string{"say out starting", "say err no database: connection refused", "exit 3"}, "SHIM_LINGER=1500ms")
			c.Ready()
			a := c.Ask("POST", "/invoke", "", fc.HeaderRequestID, "id")
			expectFailure(t, "dead", a, "ProgramExited", "exit code 3")
			expectFailure(t, "dead", a, "ProgramExited", "no database: connection refused")
			if a.Header.Get(fc.HeaderStatus) != "404" {
				t.Errorf("x-fc-status is %q: the platform would count a success", a.Header.Get(fc.HeaderStatus))
			}
			if code := c.Code(10 * time.Second); code != 3 {
				t.Errorf("exit code %d, want 3", code)
			}
		},
	},
	{
		Name: "errors/never-listens", Source: sourceShim,
		Doc: "a function that never listens: the shim says so, and answers with it before the platform gives up",
		Run: func(t *Trial) {
			c := t.Script([]string{"say out waiting for nothing", "sleep 60s"}, "SHIM_READY_TIMEOUT=1s")
			c.Ready()
			a := c.Ask("GET", "/", "")
			expectFailure(t, "silent", a, "ProgramNotListening", "")
			if !strings.Contains(a.Body, "waiting for nothing") {
				t.Errorf("the answer lacks the program's last lines: %q", a.Body)
			}
		},
	},
	{
		Name: "errors/dies-in-request", Source: sourceShim,
		Doc: "a program that dies in a request: the answer says how and carries its last lines, the log says that the request failed, the exit code is the program's",
		Run: func(t *Trial) {
			for step, want := range map[string]struct {
				code int
				says string
			}{"exit:9": {9, "exit code 9"}, "exit:0": {0, "exit code 0"}} {
				c := t.Raw()
				a := c.Ask("POST", "/invoke", "", fc.HeaderRequestID, "last", "X-Do", Do("read", "err:"+strings.TrimPrefix(print("panic: \"all\" is lost\n"), "out:"), step))
				expectFailure(t, step, a, "ProgramExited", want.says)
				expectFailure(t, step, a, "ProgramExited", "panic: \"all\" is lost")
				if !strings.Contains(a.Body, `"requestId":"last"`) || a.Header.Get(fc.HeaderStatus) != "404" {
					t.Errorf("%s: %q, x-fc-status %q", step, a.Body, a.Header.Get(fc.HeaderStatus))
				}
				if code := c.Code(5 * time.Second); code != want.code {
					t.Errorf("%s: exit code %d", step, code)
				}
				if !c.Stdout.Has("FC Invoke End RequestId: last, Error: Unhandled function error\n") {
					t.Errorf("%s: the log is %q", step, c.Stdout)
				}
			}
		},
	},
	{
		Name: "errors/http-status", Source: sourceContainer,
		Doc: "the answer in the program's place is a 5xx for HTTP triggers, too, without x-fc-status",
		Run: func(t *Trial) {
			c := t.Raw()
			a := c.Ask("POST", "/", "x", fc.HeaderControlPath, "/http-invoke", fc.HeaderRequestID, "h", "X-Do", "read;close")
			expectFailure(t, "closed", a, "ProgramClosedConnection", "")
			if a.Header.Get(fc.HeaderStatus) != "" || a.Status != 502 {
				t.Errorf("status %d, x-fc-status %q", a.Status, a.Header.Get(fc.HeaderStatus))
			}
		},
	},
}

// expectOneLine expects exactly one line on stderr, with those words.
func expectOneLine(t *Trial, what string, c *Container, says string) {
	said := c.Stderr.String()
	if strings.Count(said, "\n") != 1 || !strings.HasPrefix(said, "shim: ") || !strings.Contains(said, says) {
		t.Errorf("%s: stderr is %q, want one line of the shim with %q", what, said, says)
	}
}

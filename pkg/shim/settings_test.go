package shim

import (
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	env := Environ{"SHIM_GRACE=3s", "SHIM_LISTEN=:1", "SHIM_SERVICE_HOST=10.0.0.1"}
	r, err := Parse([]string{"--listen=127.0.0.1:81", "--target", "3000", "node", "--grace=1s", "-e"}, env)
	if err != nil {
		t.Fatal(err)
	}
	want := Settings{Listen: "127.0.0.1:81", Target: "127.0.0.1:3000", Mode: ModeHTTP, Ready: 2 * time.Minute,
		Grace: 3 * time.Second, Linger: 3 * time.Second, ErrorFrom: 400, ErrorLines: 20, RequestLog: "auto", Mask: true}
	if r.Settings != want || !slices.Equal(r.Command, []string{"node", "--grace=1s", "-e"}) {
		t.Errorf("%+v", r)
	}
	if r, err := Parse([]string{"--", "--odd"}, nil); err != nil || !slices.Equal(r.Command, []string{"--odd"}) {
		t.Error(r, err)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, test := range []struct {
		args []string
		env  Environ
		name string
	}{
		{nil, Environ{"SHIM_GRACE=5"}, "SHIM_GRACE"},
		{nil, Environ{"SHIM_GRACE=-5s"}, "SHIM_GRACE"},
		{nil, Environ{"SHIM_READY_TIMEOUT=0s"}, "SHIM_READY_TIMEOUT"},
		{nil, Environ{"SHIM_READY_TIMEOUT=1000h"}, "SHIM_READY_TIMEOUT"},
		{nil, Environ{"SHIM_LISTEN=8080"}, "SHIM_LISTEN"},
		{nil, Environ{"SHIM_LISTEN=:0"}, "SHIM_LISTEN"},
		{nil, Environ{"SHIM_LISTEN=:70000"}, "SHIM_LISTEN"},
		{nil, Environ{"SHIM_TARGET=http"}, "SHIM_TARGET"},
		{nil, Environ{"SHIM_TARGET=:80"}, "SHIM_TARGET"},
		{nil, Environ{"SHIM_REQUEST_LOG=yes"}, "SHIM_REQUEST_LOG"},
		{nil, Environ{"SHIM_MODE=cgi"}, "SHIM_MODE"},
		{nil, Environ{"SHIM_TIMEOUT=30"}, "SHIM_TIMEOUT"},
		{nil, Environ{"SHIM_CONCURRENCY=-1"}, "SHIM_CONCURRENCY"},
		{nil, Environ{"SHIM_QUEUE=many"}, "SHIM_QUEUE"},
		{nil, Environ{"SHIM_QUEUE=2"}, "SHIM_QUEUE"},
		{nil, Environ{"SHIM_HEADER_LIMIT=1"}, "SHIM_HEADER_LIMIT"},
		{nil, Environ{"SHIM_HEADER_LIMIT=1GB"}, "SHIM_HEADER_LIMIT"},
		{nil, Environ{"SHIM_BODY_LIMIT=1TB"}, "SHIM_BODY_LIMIT"},
		{nil, Environ{"SHIM_HOOK_404=no"}, "SHIM_HOOK_404"},
		{nil, Environ{"SHIM_STATUS_RULE=404"}, "SHIM_STATUS_RULE"},
		{nil, Environ{"SHIM_LOG_FORMAT=xml"}, "SHIM_LOG_FORMAT"},
		{nil, Environ{"SHIM_MASK=1"}, "SHIM_MASK"},
		{nil, Environ{"SHIM_METRICS=9090"}, "SHIM_METRICS"},
		{[]string{"--grace", "x"}, nil, "--grace"},
		{[]string{"--grace"}, nil, "--grace"},
		{[]string{"--nosuch"}, nil, "--nosuch"},
		{[]string{"-c", "x"}, nil, "-c"},
	} {
		_, err := Parse(test.args, test.env)
		usage, ok := errors.AsType[*UsageError](err)
		if !ok || usage.Name != test.name {
			t.Errorf("%v %v: %v, want an error about %s", test.args, test.env, err, test.name)
		}
	}
	cmd := exec.Command(os.Args[0], "--", "true")
	cmd.Env = []string{asShim + "=shim", "SHIM_GRACE=soon", "PATH=" + os.Getenv("PATH")}
	out, _ := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 2 || !strings.Contains(string(out), `shim: SHIM_GRACE: "soon": want a duration`) {
		t.Errorf("exit code %d: %s", cmd.ProcessState.ExitCode(), out)
	}
}

func TestParseSize(t *testing.T) {
	for v, want := range map[string]int64{"0": 0, "2048": 2048, "64KB": 64 << 10, "32 MB": 32 << 20, "1g": 1 << 30, "1025b": 1025} {
		if got, err := parseSize(v, 1<<10, 1<<40); got != want || err != nil {
			t.Errorf("%s: %d, %v", v, got, err)
		}
	}
	for _, v := range []string{"", "KB", "-1", "1.5MB", "1", "1099511627775GB", "2000GB", "0x10"} {
		if got, err := parseSize(v, 1<<10, 1<<40); err == nil {
			t.Errorf("%s: %d", v, got)
		}
	}
}

func TestTableIsWhole(t *testing.T) {
	text := usage() + Markdown()
	for _, s := range Table {
		if strings.Count(text, "--"+s.Flag) != 2 || strings.Count(text, s.Variable) != 2 || s.Help == "" {
			t.Errorf("%s is not in both texts", s.Flag)
		}
		if s.Variable != "SHIM_"+strings.ToUpper(strings.ReplaceAll(s.Flag, "-", "_")) {
			t.Errorf("--%s and %s do not go together", s.Flag, s.Variable)
		}
	}
}

// TestChildEnviron is the rule for the port that a program is told.
func TestChildEnviron(t *testing.T) {
	for _, test := range []struct {
		name string
		env  Environ
		want string // PORT, FC_SERVER_PORT, FC_CUSTOM_LISTEN_PORT and the shim's own
	}{
		{"nothing set", nil, "9000 9000 9000 :8080"},
		{"the platform", Environ{"FC_CUSTOM_LISTEN_PORT=8080", "FC_INSTANCE_ID=i"}, "9000 9000 9000 :8080"},
		{"a port of the user's", Environ{"PORT=3000"}, "3000 3000 3000 :8080"},
		{"the shim's own port", Environ{"PORT=8080"}, "9000 9000 9000 :8080"},
		{"two of the user's", Environ{"PORT=3000", "FC_SERVER_PORT=4000"}, "3000 4000 3000 :8080"},
		{"locally", Environ{"FC_CUSTOM_LISTEN_PORT=3000"}, "3000 3000 3000 :8080"},
		{"another CAPort", Environ{"FC_CUSTOM_LISTEN_PORT=3000", "FC_FUNCTION_NAME=f"}, "9000 9000 9000 :3000"},
		{"the platform's default CAPort", Environ{"FC_CUSTOM_LISTEN_PORT=9000", "FC_FUNCTION_NAME=f"}, "8080 8080 8080 :9000"},
		{"a target", Environ{"SHIM_TARGET=5000"}, "5000 5000 5000 :8080"},
		{"no number", Environ{"PORT=tcp://10.0.0.1:80"}, "tcp://10.0.0.1:80 9000 9000 :8080"},
		{"twice", Environ{"PORT=1", "PORT=2"}, "2 2 2 :8080"},
	} {
		r, err := Parse(nil, test.env)
		if err != nil {
			t.Fatal(err)
		}
		e := childEnviron(r.Settings, test.env)
		got := strings.Join([]string{e.Get("PORT"), e.Get("FC_SERVER_PORT"), e.Get("FC_CUSTOM_LISTEN_PORT"), r.Settings.Listen}, " ")
		if got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

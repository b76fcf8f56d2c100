package emulator_test

import (
	"archive/tar"
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/emulator"
	"github.com/imgbuild/imgbuild/pkg/fc"
	"github.com/imgbuild/imgbuild/pkg/template"
)

// writeTar writes a layer with a program.
func writeTar(t testing.TB, path, program string) {
	t.Helper()
	b, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := tar.NewWriter(f)
	if err := w.WriteHeader(&tar.Header{Name: "program", Mode: 0o755, Size: int64(len(b)), Typeflag: tar.TypeReg}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func number(t testing.TB, r emulator.Result) int {
	t.Helper()
	n, err := strconv.Atoi(string(r.Body))
	if err != nil {
		t.Fatalf("%q is no number (%s)", r.Body, r.ErrorType)
	}
	return n
}

// life is what every runtime must do: cold, warm, frozen so that its clock
// stands, thawed, hooks, and an end that leaves nothing behind.
func life(t *testing.T, rt emulator.Runtime) {
	var log lockedBuffer
	e := play(t, template.Function{
		Name: "life", Memory: 128, Environment: map[string]string{"GREETING": "two\nlines", "B": "x y"},
		Initializer: template.Hook{Set: true}, PreFreeze: template.Hook{Set: true}, PreStop: template.Hook{Set: true}, Triggers: open,
	}, rt, emulator.Options{Log: &log, FreezeAfter: 30 * time.Millisecond, Instances: 1, Grace: time.Minute})
	r := invoke(t, e, "say first")
	says(t, r, "first")
	if !r.Cold || r.Memory < 1<<20 {
		t.Errorf("the first call: %+v, log %q", r, r.Log)
	}
	// Of a program without Start lines the log is what has come soon.
	until(t, "a call's log", func() bool {
		return strings.Contains(string(r.Log), "first\n") || strings.Contains(string(invoke(t, e, "say first").Log), "first\n")
	})
	says(t, invoke(t, e, "env GREETING"), "two\nlines")
	says(t, invoke(t, e, "env B"), "x y")
	says(t, invoke(t, e, "header "+fc.HeaderFunctionName), "life")

	// Frozen for 60 ticks it has not ticked. A busy machine may be late to
	// freeze it.
	until(t, "/pre-freeze", func() bool { return strings.Contains(log.String(), "pre-freeze\n") })
	until(t, "no more than 80 ticks of 5 ms in 700 ms, most of which it is frozen", func() bool {
		before := number(t, invoke(t, e, "ticks"))
		time.Sleep(700 * time.Millisecond)
		after := invoke(t, e, "ticks")
		passed := number(t, after) - before
		if after.Cold || passed < 0 {
			t.Fatalf("%d ticks passed; cold: %t", passed, after.Cold)
		}
		return passed <= 80
	})
	h := request(t, e, "PUT", "/a?b=c", "body")
	if !strings.Contains(string(h.Body), "PUT function /a?b=c body") || h.Header.Get("X-Fc-Own") != "" {
		t.Errorf("an HTTP trigger: %d %q %v", h.Status, h.Body, h.Header)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	all := log.String()
	if strings.Count(all, "initializing\n") != 1 || strings.Count(all, "pre-stop\n") != 1 {
		t.Errorf("the log: %s", all)
	}
}

func TestNative(t *testing.T) {
	testtool.Whole(t)
	rt := native(t)
	life(t, rt)
	if left := processes(t, "FC_FUNCTION_NAME=life"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestFolder(t *testing.T) {
	testtool.Whole(t)
	life(t, folder(t))
	if left := processes(t, "FC_FUNCTION_NAME=life"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestFolderPorts: instances of a code package run beside each other where they
// listen as they are told, and one after another where they have a port of their
// own.
func TestFolderPorts(t *testing.T) {
	testtool.Whole(t)
	for _, test := range []struct {
		name      string
		env       map[string]string
		instances int
	}{
		{"told", nil, 2},
		{"fixed", map[string]string{"FIXED": strconv.Itoa(freePort(t))}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			var log lockedBuffer
			e := play(t, template.Function{Environment: test.env}, folder(t), emulator.Options{Log: &log})
			if !e.Alone() {
				t.Error("it is taken for one that has no port of its own before it has run")
			}
			let := filepath.Join(t.TempDir(), "let")
			call := func(event string) <-chan emulator.Result {
				answer := make(chan emulator.Result, 1)
				go func() {
					r, err := e.Invoke(t.Context(), []byte(event))
					if err != nil || r.Failed() {
						t.Errorf("%v %s %s", err, r.ErrorType, r.Body)
					}
					answer <- r
				}()
				return answer
			}
			first := call("await " + let)
			until(t, "the first call", func() bool { return strings.Contains(log.String(), "awaiting") })
			second := call("say something")
			var r emulator.Result
			if test.instances > 1 {
				r = <-second // while the first one has its call
			} else {
				select {
				case r = <-second:
					t.Error("the second call has come while the instance had another")
				case <-time.After(300 * time.Millisecond):
				}
			}
			if err := os.WriteFile(let, nil, 0o644); err != nil {
				t.Fatal(err)
			}
			one := (<-first).InstanceID
			if r.InstanceID == "" {
				r = <-second
			}
			if (r.InstanceID == one) != (test.instances == 1) || e.Alone() != (test.instances == 1) {
				t.Errorf("the instances are %s and %s, want %d; alone: %t", one, r.InstanceID, test.instances, e.Alone())
			}
		})
	}
}

// processes are those that have a variable in their environment.
func processes(t testing.TB, variable string) (found []int) {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		b, err := os.ReadFile("/proc/" + e.Name() + "/environ")
		if err == nil && strings.Contains("\x00"+string(b)+"\x00", "\x00"+variable+"\x00") {
			found = append(found, pid)
		}
	}
	return found
}

// TestNativeFailures: real programs that do what they should not.
func TestNativeFailures(t *testing.T) {
	testtool.Whole(t)
	rt := native(t)
	for name, test := range map[string]struct {
		fn    template.Function
		event string
		code  string
		text  string
	}{
		"never listens":   {template.Function{Command: []string{"never"}}, "", emulator.FunctionNotStarted, "never listening"},
		"exits":           {template.Function{Command: []string{"exit 3"}}, "", emulator.CAExited, "(code 3)"},
		"no such file":    {template.Function{Entrypoint: []string{"/none"}}, "", emulator.CAFileNotFound, "/none"},
		"hangs":           {template.Function{Timeout: 200 * time.Millisecond}, "sleep 1h", emulator.UnhandledInvocationError, "timed out after 0.2 seconds"},
		"exits in a call": {template.Function{}, "exit 4", emulator.UnhandledInvocationError, "(exit code 4)"},
		// Linux lets no first process of a container kill itself (pid_namespaces(7)).
		"kills itself":      {template.Function{Timeout: time.Second}, "kill", emulator.UnhandledInvocationError, "timed out after 1 seconds"},
		"initializer fails": {template.Function{Initializer: template.Hook{Set: true}, Environment: map[string]string{"INIT": "fail"}}, "", emulator.UnhandledInitializationError, "no database"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var e *emulator.Emulator
			try := func(ready time.Duration) (bool, string) {
				e = play(t, test.fn, rt, emulator.Options{Ready: ready})
				r := invoke(t, e, test.event)
				if r.Error == nil || r.ErrorType != test.code {
					t.Fatalf("%s %s, want %s", r.ErrorType, r.Body, test.code)
				}
				return strings.Contains(string(r.Body), test.text), fmt.Sprintf("%s, want %q", r.Body, test.text)
			}
			if name == "never listens" { // but says so
				enough(t, 300*time.Millisecond, try)
			} else if ok, what := try(0); !ok {
				t.Error(what)
			}
			if strings.Contains(name, "listen") || test.fn.Command != nil || test.fn.Entrypoint != nil || test.fn.Initializer.Set {
				return
			}
			r := invoke(t, e, "say again")
			for n := 0; n < 20 && r.Status == http.StatusGatewayTimeout; n++ { // there is little time where one "hangs"
				r = invoke(t, e, "say again")
			}
			if string(r.Body) != "again" || !r.Cold {
				t.Errorf("the next call: cold %t, %q %s", r.Cold, r.Body, r.ErrorType)
			}
		})
	}
}

// TestFolderFailures are the platform's errors for code packages.
func TestFolderFailures(t *testing.T) {
	testtool.Whole(t)
	for name, test := range map[string]struct {
		bootstrap string
		mode      os.FileMode
		code      string
	}{
		"none":          {"", 0, emulator.CAFileNotFound},
		"no run bit":    {"#!/bin/sh\n", 0o644, emulator.CAFilePermission},
		"no first line": {"sleep 1\n", 0o755, emulator.CAExited},
		"ends":          {"#!/bin/sh\nexit 9\n", 0o755, emulator.CAExited},
	} {
		dir := t.TempDir()
		if test.bootstrap != "" {
			if err := os.WriteFile(dir+"/bootstrap", []byte(test.bootstrap), test.mode); err != nil {
				t.Fatal(err)
			}
		}
		e := play(t, template.Function{}, emulator.Folder{Dir: dir}, emulator.Options{})
		if r := invoke(t, e, ""); r.ErrorType != test.code {
			t.Errorf("%s: %s %s, want %s", name, r.ErrorType, r.Body, test.code)
		}
	}
}

func TestNativeFlood(t *testing.T) {
	testtool.Whole(t)
	var log lockedBuffer
	e := play(t, template.Function{Timeout: time.Minute, Environment: map[string]string{"LINES": "1"}}, native(t), emulator.Options{Log: &log})
	r := invoke(t, e, "flood 20000")
	says(t, r, "flooded")
	if len(r.Log) != 4096 || !strings.HasSuffix(string(r.Log), "y\nFC Invoke End RequestId: "+r.RequestID+"\n") {
		t.Errorf("the log's end: %q", r.Log[max(0, len(r.Log)-100):])
	}
	if n := strings.Count(log.String(), "x"); n != 20_000_000 {
		t.Errorf("%d of 20 MB came through", n)
	}
}

// TestNativeStreams: a WebSocket, server-sent events, and a GET that is sent
// once more.
func TestNativeStreams(t *testing.T) {
	testtool.Whole(t)
	e := play(t, template.Function{Triggers: open, Concurrency: 2, Timeout: 30 * time.Second}, native(t), emulator.Options{})
	s := httptest.NewServer(e)
	defer s.Close()

	res, err := http.Get(s.URL + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewReader(res.Body)
	// The second one is sent only when the first has come.
	if first, err := lines.ReadString('\n'); err != nil || first != "data: first\n" {
		t.Errorf("the first event is %q, %v", first, err)
	}
	request(t, e, "GET", "/more", "")
	rest, err := io.ReadAll(lines)
	if err != nil || string(rest) != "\ndata: second\n\n" {
		t.Errorf("then comes %q, %v", rest, err)
	}

	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET /socket HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
	in := bufio.NewReader(conn)
	upgraded, err := http.ReadResponse(in, nil)
	if err != nil || upgraded.StatusCode != 101 {
		t.Fatalf("%+v, %v", upgraded, err)
	}
	time.Sleep(300 * time.Millisecond) // it must not freeze meanwhile
	for n := range 3 {
		sent := fmt.Sprintf("message %d\n", n)
		if _, err := io.WriteString(conn, sent); err != nil {
			t.Fatal(err)
		}
		if got, err := in.ReadString('\n'); got != sent {
			t.Errorf("%q came back as %q, %v", sent, got, err)
		}
	}
	conn.Close()

	if r := request(t, e, "GET", "/drop?times=2", ""); string(r.Body) != "answered at 3" {
		t.Errorf("a GET: %d %s", r.Status, r.Body)
	}
}

// victim starts an instance and waits to be killed.
func victim() {
	what := os.Getenv("EMULATOR_TEST_VICTIM")
	rt, o := emulator.Runtime(emulator.Folder{Dir: what}), emulator.Options{FreezeAfter: time.Millisecond}
	if !filepath.IsAbs(what) {
		rt, o = emulator.CLI{Program: "docker", Image: what, Network: emulator.NetworkNone}, emulator.Options{FreezeAfter: -1}
	}
	e, err := emulator.New(template.Function{Name: os.Getenv("EMULATOR_TEST_NAME"), Timeout: time.Minute, Environment: map[string]string{"DEAF": "yes"}}, rt, o)
	if err == nil {
		_, err = e.Invoke(context.Background(), nil)
	}
	fmt.Println("started", err)
	time.Sleep(time.Hour)
}

// TestKilled: nothing outlives an imgbuild that was killed, not even what was
// frozen.
func TestKilled(t *testing.T) {
	testtool.Whole(t)
	cmd := exec.Command("/proc/self/exe")
	id := fmt.Sprint("victim-", os.Getpid())
	cmd.Env = append(os.Environ(), "EMULATOR_TEST_VICTIM="+folder(t).Dir, "EMULATOR_TEST_NAME="+id)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if line != "started <nil>\n" {
		t.Errorf("%q %v", line, err)
	}
	until(t, "a freeze", func() bool {
		all := processes(t, "FC_FUNCTION_NAME="+id)
		return len(all) == 2 && stopped(all[0]) && stopped(all[1])
	})
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	until(t, "the end of what it started", func() bool { return len(processes(t, "FC_FUNCTION_NAME="+id)) == 0 })
}

func stopped(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && strings.Contains(string(b), ") T ")
}

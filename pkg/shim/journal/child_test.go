package journal

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/pkg/fc"
	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

var update = flag.Bool("update", false, "write the golden files")

// TestMain makes this binary also a program that logs, in Go.
func TestMain(m *testing.M) {
	if os.Getenv("JOURNAL_TEST_PROGRAM") == "" {
		os.Exit(m.Run())
	}
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		id, secret, _ := strings.Cut(in.Text(), " ")
		fmt.Printf("FC Invoke Start RequestId: %s\n", id)
		fmt.Printf("go: map[X-Fc-Access-Key-Secret:[%s]]\n", secret)
		fmt.Fprintf(os.Stderr, "go: error of %s\n", id)
		fmt.Printf("FC Invoke End RequestId: %s\n", id)
		fmt.Fprintln(os.NewFile(3, "answer"), "done")
	}
}

// programs answer each line "ID SECRET" on stdin with one on descriptor 3, and
// log the secret as people do, and copies of the platform's lines.
var programs = map[string][]string{
	"sh": {"sh", "-c", `while read -r id secret; do
		echo "FC Invoke Start RequestId: $id"; echo "sh: $secret"; echo "sh: error of $id" >&2
		printf 'FC Invoke End RequestId: %s, Error: Unhandled function error\r\n' "$id"; echo done >&3; done`},
	"node": {"node", "-e", `
		const fs = require("fs");
		require("readline").createInterface({input: process.stdin}).on("line", l => {
			const [id, secret] = l.split(" ");
			console.log("FC Invoke Start RequestId: " + id);
			console.log("node:", {host: "x", "x-fc-access-key-secret": secret});
			console.log(JSON.stringify({level: "info", headers: {"x-fc-access-key-secret": secret}}));
			console.error("node: error of " + id);
			process.stdout.write("no newline");
			fs.writeSync(3, "done\n");
		})`},
	"python3": {"python3", "-u", "-c", `
import os, sys
for l in sys.stdin:
    id, secret = l.split()
    print("python3: é", {"x-fc-access-key-secret": secret}, flush=True)
    print("python3: error of", id, file=sys.stderr, flush=True)
    print("FC Invoke End RequestId: " + id, flush=True)
    os.write(3, b"done\n")
`},
	"go": {os.Args[0]},
}

// child is a program under a journal.
type child struct {
	*rig
	cmd    *exec.Cmd
	in     io.WriteCloser
	answer *bufio.Reader
}

func startChild(t testing.TB, o Options, command []string) *child {
	t.Helper()
	r := &rig{out: newSink(t), err: newSink(t)}
	o.Stdout, o.Stderr = r.out.w, r.err.w
	var err error
	if r.Journal, err = New(o); err != nil {
		t.Fatal(err)
	}
	r.patience = time.Minute
	c := &child{rig: r, cmd: exec.Command(command[0], command[1:]...)}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c.answer = bufio.NewReader(read)
	c.cmd.Stdout, c.cmd.Stderr = r.Files()
	c.cmd.ExtraFiles = []*os.File{write}
	c.cmd.Env = append(os.Environ(), "JOURNAL_TEST_PROGRAM=1", "PYTHONIOENCODING=utf-8")
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	write.Close()
	r.Start()
	t.Cleanup(func() { _ = c.cmd.Process.Kill(); _ = c.cmd.Wait() })
	return c
}

// call is one request.
func (c *child) call(t testing.TB, id, secret string) {
	t.Helper()
	c.Hide(message.Header{{Name: "X-Fc-Access-Key-Secret", Value: secret}})
	c.Begin(fc.Invoke, id)
	fmt.Fprintln(c.in, id, secret)
	if _, err := c.answer.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	c.End(fc.Invoke, id, false)
}

// TestPrograms compares the whole output of real programs with golden files.
func TestPrograms(t *testing.T) {
	for name, command := range programs {
		for _, json := range []bool{false, true} {
			format := "text"
			if json {
				format = "json"
			}
			t.Run(name+"/"+format, func(t *testing.T) {
				c := startChild(t, Options{JSON: json, Mask: true, Tail: 20}, command)
				c.call(t, "1-first", keySecret)
				c.call(t, "2-second", keySecret)
				c.call(t, "3-third", strings.ToLower(keySecret)) // a new one
				tail := strings.Join(c.Tail(), "\n")
				if !strings.Contains(tail, name+": error of 3-third") {
					t.Errorf("the last lines are\n%s", tail)
				}
				c.in.Close()
				if err := c.cmd.Wait(); err != nil {
					t.Fatal(err)
				}
				out, errOut := c.end(t)
				got := "stdout\n" + out + "stderr\n" + errOut
				if strings.Contains(strings.ToLower(got+tail), strings.ToLower(keySecret)) {
					t.Error("a secret is in the log")
				}
				if json {
					got = timeField.ReplaceAllString(got, `"time":"TIME",`)
				}
				golden(t, filepath.Join("testdata", name+"."+format), got)
			})
		}
	}
}

// end waits for the rest of the output.
func (c *child) end(t testing.TB) (out, err string) {
	t.Helper()
	c.Drain(nil)
	c.out.w.Close()
	c.err.w.Close()
	<-c.out.done
	<-c.err.done
	return c.out.String(), c.err.String()
}

func golden(t testing.TB, path, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s:\n%s\nwant\n%s", path, got, want)
	}
}

// TestLeftBehind: a process that the program leaves behind holds the pipe open
// and goes on writing; it is not waited for.
func TestLeftBehind(t *testing.T) {
	c := startChild(t, Options{}, []string{"sh", "-c", "(while sleep 0.01; do echo left; done) & echo last; echo $! >&3"})
	pid, err := c.answer.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = exec.Command("kill", strings.TrimSpace(pid)).Run() }()
	if _, err := c.cmd.Process.Wait(); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	c.Drain(nil)
	if d := time.Since(start); d > 30*time.Second {
		t.Errorf("drained for %s", d)
	}
	eventually(t, func() bool { return strings.Contains(c.out.String(), "last\n") }, c.out.String)
}

// TestProgramsFiles: the program's files block, as programs expect.
func TestProgramsFiles(t *testing.T) {
	c := startChild(t, Options{}, []string{"sh", "-c", "cat /proc/self/fdinfo/1 | grep flags; cat /proc/self/fdinfo/2 | grep flags; echo >&3"})
	if _, err := c.answer.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	out, _ := c.end(t)
	n := 0
	for line := range strings.Lines(out) {
		var flags int
		if _, err := fmt.Sscanf(line, "flags:\t%o", &flags); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		n++
		if flags&syscall.O_NONBLOCK != 0 {
			t.Errorf("%q: does not block", line)
		}
	}
	if n != 2 {
		t.Errorf("%q", out)
	}
}

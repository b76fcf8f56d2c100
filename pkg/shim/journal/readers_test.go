package journal

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/pkg/fc"
)

// TestDeadReader: nobody reads the output and the program fills it. Requests
// go on; what is dropped is counted when somebody reads again.
func TestDeadReader(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	j, err := New(Options{Stdout: write, Stderr: write, RequestLog: "on", Mask: true, Tail: 20})
	if err != nil {
		t.Fatal(err)
	}
	stdout, stderr := dup(t, j)
	j.Start()
	stderr.Close()
	filled := make(chan struct{})
	go func() {
		defer close(filled)
		for range 300 {
			_, _ = stdout.WriteString(strings.Repeat("x", 999) + "\n")
		}
		stdout.Close()
	}()
	time.Sleep(2 * patience)
	const n = 60000
	start := time.Now()
	for i := range n {
		j.Begin(fc.Invoke, "some-request-id")
		j.End(fc.Invoke, "some-request-id", false)
		if d := time.Since(start); i == 100 && d > 10*time.Second {
			t.Errorf("100 requests took %s", d)
		}
	}
	if d := time.Since(start); d > 60*time.Second {
		t.Errorf("%d requests took %s", n, d)
	}
	j.out.queue.mu.Lock()
	if n := len(j.out.queue.lines); n > maxWaiting {
		t.Errorf("%d bytes wait", n)
	}
	j.out.queue.mu.Unlock()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if m.HeapInuse > 64<<20 {
		t.Errorf("%d MB of heap", m.HeapInuse>>20)
	}
	go func() {
		<-filled
		j.Drain(nil)
		write.Close()
	}()
	all, err := io.ReadAll(read)
	if err != nil {
		t.Fatal(err)
	}
	own, missing := 0, 0
	for line := range strings.Lines(string(all)) {
		var k int
		switch {
		case strings.HasPrefix(line, "FC Invoke "):
			own++
		case line == strings.Repeat("x", 999)+"\n":
		default:
			if _, err := fmt.Sscanf(line, "shim: nobody read the output: %d log lines of the shim are missing here\n", &k); err != nil {
				t.Fatalf("%.100q", line)
			}
			missing += k
		}
	}
	if own+missing != 2*n || missing == 0 {
		t.Errorf("%d lines and %d missing of %d", own, missing, 2*n)
	}
}

// TestSlowReader: the output is read slowly; every line arrives.
func TestSlowReader(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	j, err := New(Options{Stdout: write, Stderr: write, RequestLog: "on"})
	if err != nil {
		t.Fatal(err)
	}
	stdout, stderr := dup(t, j)
	defer stderr.Close()
	j.Start()
	go func() {
		for range 200 {
			_, _ = stdout.WriteString(strings.Repeat("y", 1000) + "\n")
		}
		stdout.Close()
	}()
	done := make(chan time.Duration)
	go func() {
		var longest time.Duration
		for i := range 1000 {
			start := time.Now()
			j.Begin(fc.Invoke, fmt.Sprint(i))
			j.End(fc.Invoke, fmt.Sprint(i), false)
			longest = max(longest, time.Since(start))
		}
		done <- longest
	}()
	var all []byte
	buf := make([]byte, 2000)
	for strings.Count(string(all), "\n") < 2200 {
		n, err := read.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, buf[:n]...)
		time.Sleep(2 * time.Millisecond)
	}
	if longest := <-done; longest > 5*time.Second {
		t.Errorf("a request took %s", longest)
	}
	for _, text := range []string{startText[fc.Invoke], endText[fc.Invoke]} {
		n := 0
		for line := range strings.Lines(string(all)) {
			if id, ok := strings.CutPrefix(line, text); ok {
				if id != fmt.Sprintln(n) {
					t.Fatalf("%q is not number %d", line, n)
				}
				n++
			}
		}
		if n != 1000 {
			t.Errorf("%d lines as %q", n, text)
		}
	}
}

// TestNobodyReads: the container's output is closed. The program gets
// SIGPIPE or EPIPE as without a shim, and requests go on.
func TestNobodyReads(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	j, err := New(Options{Stdout: write, Stderr: write, RequestLog: "on"})
	if err != nil {
		t.Fatal(err)
	}
	stdout, stderr := dup(t, j)
	defer stderr.Close()
	j.Start()
	read.Close()
	eventually(t, func() bool {
		j.Begin(fc.Invoke, "1")
		j.End(fc.Invoke, "1", false)
		_, err := stdout.WriteString("x\n")
		return err != nil
	}, func() string { return "the program can still write" })
	j.Drain(nil)
}

// TestStuckStderr: nobody reads stderr, which the program fills. The lines on
// stdout come all the same.
func TestStuckStderr(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	out := newSink(t)
	j, err := New(Options{Stdout: out.w, Stderr: write, RequestLog: "on"})
	if err != nil {
		t.Fatal(err)
	}
	stdout, stderr := dup(t, j)
	defer stdout.Close()
	j.Start()
	go func() {
		_, _ = stderr.WriteString(strings.Repeat("x", 1<<20)) // blocks
		stderr.Close()
	}()
	time.Sleep(2 * patience)
	start := time.Now()
	want := ""
	for i := range 20 {
		id := fmt.Sprint(i)
		j.Begin(fc.Invoke, id)
		j.End(fc.Invoke, id, false)
		want += fc.Invoke.StartLine(id) + "\n"
	}
	if d := time.Since(start); d > 10*time.Second {
		t.Errorf("20 requests took %s", d)
	}
	eventually(t, func() bool { return strings.Count(out.String(), " End RequestId: ") == 20 }, out.String)
	go io.Copy(io.Discard, read)
	j.Drain(nil)
}

// TestNonBlockingOutput: another process that has the container's stdout has
// made it one that does not block.
func TestNonBlockingOutput(t *testing.T) {
	var fds [2]int
	if err := syscall.Pipe(fds[:]); err != nil {
		t.Fatal(err)
	}
	read, write := os.NewFile(uintptr(fds[0]), "read"), os.NewFile(uintptr(fds[1]), "write")
	defer read.Close()
	if err := syscall.SetNonblock(fds[1], true); err != nil {
		t.Fatal(err)
	}
	j, err := New(Options{Stdout: write, Stderr: write, RequestLog: "on"})
	if err != nil {
		t.Fatal(err)
	}
	stdout, stderr := dup(t, j)
	stderr.Close()
	j.Start()
	text := strings.Repeat(strings.Repeat("z", 1000)+"\n", 1000)
	go func() {
		_, _ = stdout.WriteString(text)
		stdout.Close()
		j.Drain(nil)
		write.Close()
	}()
	var all strings.Builder
	buf := make([]byte, 100000)
	for {
		n, err := read.Read(buf)
		all.Write(buf[:n])
		if err != nil {
			break
		}
		time.Sleep(2 * time.Millisecond)
	}
	if all.String() != text {
		t.Errorf("%d bytes of %d", all.Len(), len(text))
	}
}

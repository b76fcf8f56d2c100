package journal

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/pkg/fc"
)

// dup keeps j's files open as a child process would.
func dup(t testing.TB, j *Journal) (out, err *os.File) {
	t.Helper()
	o, e := j.Files()
	var files [2]*os.File
	for i, f := range []*os.File{o, e} {
		fd, err := syscall.Dup(int(f.Fd()))
		if err != nil {
			t.Fatal(err)
		}
		files[i] = os.NewFile(uintptr(fd), f.Name())
	}
	return files[0], files[1]
}

// sink is one end of the container's output, and what came out of it.
type sink struct {
	w    *os.File
	done chan struct{}
	mu   sync.Mutex
	b    bytes.Buffer
}

func newSink(t testing.TB) *sink {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s := &sink{w: w, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		_, _ = io.Copy(s, r)
	}()
	t.Cleanup(func() { w.Close(); r.Close() })
	return s
}

func (s *sink) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *sink) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func (s *sink) wait(t testing.TB, want string) {
	t.Helper()
	eventually(t, func() bool { return s.String() == want }, func() string { return s.String() + "\nwant " + want })
}

func eventually(t testing.TB, ok func() bool, why func() string) {
	t.Helper()
	for start := time.Now(); !ok(); time.Sleep(time.Millisecond) {
		if time.Since(start) > 30*time.Second {
			got := why()
			t.Fatalf("%d bytes: %s", len(got), got[:min(len(got), 2000)])
		}
	}
}

// rig is a journal whose program is the test.
type rig struct {
	*Journal
	out, err       *sink
	stdout, stderr *os.File // the program writes there
}

func newRig(t testing.TB, o Options) *rig {
	t.Helper()
	r := &rig{out: newSink(t), err: newSink(t)}
	o.Stdout, o.Stderr = r.out.w, r.err.w
	j, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	r.Journal = j
	j.patience = time.Minute // a busy machine takes none of it away
	r.stdout, r.stderr = dup(t, j)
	j.Start()
	t.Cleanup(func() { r.stdout.Close(); r.stderr.Close() })
	return r
}

func (r *rig) print(f *os.File, text string) { _, _ = f.WriteString(text) }

// end closes the program's files and returns the whole output.
func (r *rig) end(t testing.TB) (out, err string) {
	t.Helper()
	r.stdout.Close()
	r.stderr.Close()
	r.Drain(nil)
	r.out.w.Close()
	r.err.w.Close()
	<-r.out.done
	<-r.err.done
	return r.out.String(), r.err.String()
}

// TestLines: the lines of each call stand around what the program wrote, and
// are there at once when the last request has ended.
func TestLines(t *testing.T) {
	r := newRig(t, Options{Tail: 5})
	r.Begin(fc.Initialize, "i-1")
	r.print(r.stdout, "one\n")
	r.End(fc.Initialize, "i-1", true)
	want := "FC Initialize Start RequestId: i-1\none\nFC Initialize End RequestId: i-1, Error: Unhandled function error\n"
	r.out.wait(t, want)
	for _, c := range []fc.Call{fc.HTTP, fc.Invoke, fc.PreFreeze, fc.PreStop} {
		r.Begin(c, "the-id")
		r.End(c, "the-id", false)
		want += c.StartLine("the-id") + "\n" + c.EndLine("the-id", false) + "\n"
	}
	r.out.wait(t, want)
	r.Say("a\nb %d\n", 1)
	if out, err := r.end(t); out != want || err != "shim: a b 1\n" {
		t.Errorf("%q, %q", out, err)
	}
}

// TestNotDoubled: the program prints the lines itself, on either stream.
func TestNotDoubled(t *testing.T) {
	r := newRig(t, Options{})
	r.Begin(fc.HTTP, "a")
	r.print(r.stdout, "FC Invoke Start RequestId: a\nwork\r\nFC Invoke End RequestId: a\r\n")
	r.print(r.stderr, "FC Invoke Start RequestId: a\nerr\nFC Invoke End RequestId: a\n")
	r.End(fc.HTTP, "a", false)
	r.Begin(fc.Invoke, "b")
	r.print(r.stderr, "FC Invoke End RequestId: b, Error: Unhandled function error\n")
	r.End(fc.Invoke, "b", false)
	r.print(r.stdout, "FC Invoke End RequestId: b\n") // late
	own := "FC Invoke Start RequestId: c\nFC PreStop End RequestId: b\nFC Invoke Start RequestId: b \n FC Invoke Start RequestId: b\nFC \nFC"
	r.print(r.stdout, own)
	out, err := r.end(t)
	want := "FC Invoke Start RequestId: a\nwork\r\nFC Invoke End RequestId: a\n" +
		"FC Invoke Start RequestId: b\nFC Invoke End RequestId: b, Error: Unhandled function error\n" + own
	if out != want || err != "err\n" {
		t.Errorf("%q\nwant %q\nstderr %q", out, want, err)
	}
}

// TestEndAfterBothStreams: when the End line is there, everything that was
// written before is, on both streams.
func TestEndAfterBothStreams(t *testing.T) {
	out, errOut := tempFile(t), tempFile(t)
	j, err := New(Options{Stdout: out, Stderr: errOut, RequestLog: "on", Mask: true, Tail: 3})
	if err != nil {
		t.Fatal(err)
	}
	stdout, stderr := dup(t, j)
	defer stdout.Close()
	defer stderr.Close()
	j.Start()
	for i := range 60 {
		id := fmt.Sprint("id-", i)
		j.Begin(fc.Invoke, id)
		_, _ = stderr.WriteString(id + strings.Repeat("e", i*1000) + "\n")
		_, _ = stdout.WriteString(id + strings.Repeat("o", i*1000) + "\n")
		j.End(fc.Invoke, id, false)
		end := "o\nFC Invoke End RequestId: " + id + "\n"
		eventually(t, func() bool { return i == 0 || strings.HasSuffix(content(t, out), end) }, func() string { return content(t, out) })
		if got := content(t, errOut); !strings.HasSuffix(got, id+strings.Repeat("e", i*1000)+"\n") {
			t.Fatalf("stderr was not through: %d", len(got))
		}
	}
}

func tempFile(t testing.TB) *os.File {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "out")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func content(t testing.TB, f *os.File) string {
	t.Helper()
	b, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

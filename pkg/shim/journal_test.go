package shim

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestLogLines(t *testing.T) {
	c := launch(t, runs("serve"))
	c.ready()
	for _, test := range []struct{ control, method, path, kind string }{
		{"/invoke", "POST", "/invoke", "Invoke"},
		{"/http-invoke", "GET", "/initialize", "Invoke"},
		{"/initialize", "POST", "/initialize", "Initialize"},
		{"/pre-freeze", "GET", "/pre-freeze", "PreFreeze"},
		{"/pre-stop", "GET", "/pre-stop", "PreStop"},
		{"", "POST", "/initialize", "Initialize"},
		{"", "GET", "/initialize", "Invoke"},
		{"", "GET", "/pre-stop", "PreStop"},
	} {
		before := len(c.stdout.String())
		header := []string{"x-fc-request-id", "the-id"}
		if test.control != "" {
			header = append(header, "x-fc-control-path", test.control)
		}
		c.do(test.method, test.path, nil, header...)
		want := fmt.Sprintf("FC %[1]s Start RequestId: the-id\nFC %[1]s End RequestId: the-id\n", test.kind)
		eventually(t, want, func() bool { return c.stdout.String()[before:] == want })
	}
}

// TestNotDoubled: the program prints the lines itself.
func TestNotDoubled(t *testing.T) {
	c := launch(t, runs("serve"))
	c.ready()
	c.get("/log", "x-fc-request-id", "a1")
	c.get("/log?suffix="+strings.ReplaceAll(logFailed, " ", "%20"), "x-fc-request-id", "a2")
	want := "FC Invoke Start RequestId: a1\nworking a1\r\nFC Invoke End RequestId: a1\n" +
		"FC Invoke Start RequestId: a2\nworking a2\r\nFC Invoke End RequestId: a2, Error: Unhandled function error\n"
	eventually(t, "each line once", func() bool { return c.stdout.String() == want })
	// Lines that only look like it are the program's own.
	own := "FC Invoke Start RequestId: other\nFC Invoke Start RequestId: b1 \nFC \nFC"
	c.do("POST", "/print", strings.NewReader(own), "x-fc-request-id", "b1")
	eventually(t, "the program's own lines", func() bool { return strings.Contains(c.stdout.String(), own) })
}

// TestLongLines: lines of megabytes pass whole, and requests beside them are
// answered; the shim's lines do not fall into them.
func TestLongLines(t *testing.T) {
	c := launch(t, runs("serve"))
	c.ready()
	line := strings.Repeat("x", 3<<20) + "\n"
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { c.do("POST", "/print", strings.NewReader(line)) })
		wg.Go(func() { c.get("/") })
	}
	wg.Wait()
	eventually(t, "all bytes", func() bool { return strings.Count(c.stdout.String(), "x") == 4*(3<<20) })
	eventually(t, "every End line begins a line", func() bool { return strings.Count(c.stdout.String(), "\nFC Invoke End RequestId: ") == 8 })
}

// TestBlockedOutput: nobody reads the container's output; requests go on.
func TestBlockedOutput(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	c := launch(t, runs("serve"), func(c *exec.Cmd) { c.Stdout = w })
	w.Close()
	c.ready()
	go c.client().Post("http://x/print", "text/plain", io.LimitReader(zeros{}, 1<<20)) // blocks
	time.Sleep(200 * time.Millisecond)
	start := time.Now()
	const n = 40
	for range n {
		if status, _ := c.get("/"); status != 200 {
			t.Fatal(status)
		}
	}
	if d := time.Since(start); d > n*200*time.Millisecond {
		t.Errorf("%d requests took %s", n, d)
	}
	go io.Copy(io.Discard, r)
}

func TestRequestLogOff(t *testing.T) {
	c := launch(t, runs("serve"), env("SHIM_REQUEST_LOG=off"))
	c.ready()
	c.get("/")
	if out := c.stdout.String(); out != "" {
		t.Errorf("stdout %q", out)
	}
}

// TestStreamAnyChunks cuts one output at every place: what comes out is the same.
func TestStreamAnyChunks(t *testing.T) {
	in := "one\nFC Invoke Start RequestId: id\ntwo\nFC Invoke End RequestId: id, Error: Unhandled function error\r\nFC x\nF\nunended FC"
	want := "one\ntwo\nFC x\nF\nunended FC"
	for cut := range in {
		for second := cut; second < len(in); second++ {
			if got, failed := through(t, in[:cut], in[cut:second], in[second:]); got != want || !failed {
				t.Fatalf("cut at %d and %d: %q, failed %t", cut, second, got, failed)
			}
		}
	}
}

// through passes chunks through a stream whose journal knows the call "id".
func through(t testing.TB, chunks ...string) (out string, failed bool) {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "out")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	j := newJournal()
	c := &call{id: "id", kind: kindInvoke, open: 1}
	j.calls["Invoke id"] = c
	s := &stream{out: f, drop: j.drop}
	for _, b := range chunks {
		if err := s.pass([]byte(b)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.emitHeld(); err != nil {
		t.Fatal(err)
	}
	b, _ := os.ReadFile(f.Name())
	return string(b), c.failed
}

// FuzzStream: whatever comes, in whatever pieces, only whole log lines of the
// known call go missing.
func FuzzStream(f *testing.F) {
	f.Add([]byte("a\nFC Invoke Start RequestId: id\nb"), 3, 9)
	f.Add([]byte("FC "+strings.Repeat("y", 600)+"\n"), 1, 500)
	f.Fuzz(func(t *testing.T, in []byte, x, y int) {
		x = max(0, min(x, len(in)))
		y = max(x, min(y, len(in)))
		var want bytes.Buffer
		for line := range bytes.Lines(in) {
			switch string(bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))) {
			case "FC Invoke Start RequestId: id", "FC Invoke End RequestId: id", "FC Invoke End RequestId: id" + logFailed:
				if bytes.HasSuffix(line, []byte("\n")) {
					continue
				}
			}
			want.Write(line)
		}
		if got, _ := through(t, string(in[:x]), string(in[x:y]), string(in[y:])); got != want.String() {
			t.Errorf("%q cut at %d, %d: %q, want %q", in, x, y, got, want.String())
		}
	})
}

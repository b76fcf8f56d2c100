package shim

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/pkg/shim/discovery"
	"github.com/imgbuild/imgbuild/pkg/shim/message"
	"github.com/imgbuild/imgbuild/pkg/shim/program"
)

func TestHeaders(t *testing.T) {
	c := launch(t, runs("serve"), env("HTTP_PROXY=http://mirror.example:1", "http_proxy=http://mirror.example:1"))
	c.ready()
	resp := c.do("GET", "/headers", nil, "x-fc-request-id", "id1", "X-Fc-Region", "cn-x", "X-Forwarded-For", "192.0.2.1",
		"Connection", "X-Hop", "X-Hop", "1", "Keep-Alive", "5", "User-Agent", "", "Accept-Encoding", "x")
	b, _ := io.ReadAll(resp.Body)
	seen := string(b)
	for _, want := range []string{"X-Fc-Request-Id: id1\r\n", "X-Fc-Region: cn-x\r\n", "X-Forwarded-For: 192.0.2.1\r\n", "Accept-Encoding: x\r\n"} {
		if !strings.Contains(seen, want) {
			t.Errorf("the program did not get %q", want)
		}
	}
	for _, not := range []string{"X-Hop", "Keep-Alive", "User-Agent", "127.0.0.1"} {
		if strings.Contains(seen, not) {
			t.Errorf("the program got %s", not)
		}
	}
	if resp.Header.Get("X-Own") != "kept" || resp.Header.Get("X-Fc-Secret") != "" || resp.Header.Get("Server") != "" {
		t.Errorf("response headers %v", resp.Header)
	}
}

// TestPathIsKept compares request targets byte for byte.
func TestPathIsKept(t *testing.T) {
	c := launch(t, runs("serve"))
	c.ready()
	for _, target := range []string{"/", "/a%2Fb/%41", "/x?", "/?a=1;b=2&c=%zz&%", "/a//b/../c", "//x/y", "/%E4%BD%A0?q=%20+", "/a:b@c;d=e"} {
		conn, err := discovery.DialOnce(t.Context(), c.addr)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "GET %s HTTP/1.0\r\nHost: own.example:123\r\n\r\n", target)
		b, _ := io.ReadAll(conn)
		conn.Close()
		if !strings.HasSuffix(string(b), " GET own.example:123 "+target+"\n") {
			t.Errorf("%s came to the program as %q", target, b)
		}
	}
}

func TestUpgrade(t *testing.T) {
	c := launch(t, runs("serve"))
	c.ready()
	conn, err := discovery.DialOnce(t.Context(), c.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprint(conn, "GET /echo HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != 101 || resp.Header.Get("Upgrade") != "websocket" {
		t.Fatal(resp, err)
	}
	for i := range 3 {
		fmt.Fprintf(conn, "message %d\n", i)
		if got, err := r.ReadString('\n'); err != nil || got != fmt.Sprintf("message %d\n", i) {
			t.Fatal(got, err)
		}
	}
	if out := c.stdout.String(); strings.Contains(out, " End ") {
		t.Errorf("the request ended while the connection is open: %q", out)
	}
	conn.Close()
	eventually(t, "the End line", func() bool { return strings.Contains(c.stdout.String(), "FC Invoke End RequestId: ") })
}

// TestEventsAreFlushed: each event comes before the next one is made, and the
// headers before the first.
func TestEventsAreFlushed(t *testing.T) {
	in, tell, _ := os.Pipe()
	defer tell.Close()
	c := launch(t, runs("serve"), func(c *exec.Cmd) { c.Stdin = in })
	in.Close()
	c.ready()
	resp := c.do("GET", "/events", nil)
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatal(resp)
	}
	lines := bufio.NewReader(resp.Body)
	for i := range 3 {
		fmt.Fprintln(tell, "next")
		if got, err := lines.ReadString('\n'); err != nil || got != fmt.Sprintf("data: %d\n", i) {
			t.Fatal(got, err)
		}
		_, _ = lines.ReadString('\n')
	}
}

// TestBigBodies sends 32 MB, the platform's limit, both ways, and looks at the
// memory of the shim.
func TestBigBodies(t *testing.T) {
	const size = 32 << 20
	c := launch(t, runs("serve"))
	c.ready()
	c.get("/")
	before := peakMemory(t, c.cmd.Process.Pid)
	for _, length := range []int64{size, -1} { // -1: chunked
		var body io.Reader = io.LimitReader(zeros{}, size)
		req, _ := http.NewRequest("POST", "http://x/count", body)
		req.ContentLength = length
		resp, err := c.client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(b) != fmt.Sprintf("%d <nil>", size) {
			t.Errorf("the program got %s", b)
		}
	}
	resp := c.do("GET", "/bytes?"+strconv.Itoa(size), nil)
	if n, err := io.Copy(io.Discard, resp.Body); n != size || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	// Less than one body; with the race detector everything takes more.
	if grown := peakMemory(t, c.cmd.Process.Pid) - before; grown > 24<<10 {
		t.Errorf("the shim grew by %d KB", grown)
	}
}

// peakMemory is VmHWM in KB.
func peakMemory(t *testing.T, pid int) int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "VmHWM:")
	n, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestTrailerAndEmptyChunks(t *testing.T) {
	c := launch(t, runs("serve"))
	c.ready()
	resp := c.do("GET", "/trailer", nil)
	b, _ := io.ReadAll(resp.Body)
	if string(b) != "body" || resp.Trailer.Get("X-Sum") != "42" {
		t.Errorf("%q, trailer %v", b, resp.Trailer)
	}
	conn, err := discovery.DialOnce(t.Context(), c.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	fmt.Fprint(conn, "POST /count HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
	if b, err := io.ReadAll(conn); err != nil || !strings.Contains(string(b), "0 <nil>") {
		t.Errorf("an empty chunked body: %q, %v", b, err)
	}
}

// TestDrain: SIGTERM lets the request in flight end, and none begin.
func TestDrain(t *testing.T) {
	c := launch(t, runs("serve"), asPID1)
	c.ready()
	answer := make(chan string)
	go func() {
		resp, err := c.client().Get("http://x/slow")
		if err != nil {
			answer <- err.Error()
			return
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		answer <- string(b)
	}()
	eventually(t, "the request is in flight", func() bool { return strings.Contains(c.stdout.String(), "Start") })
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	eventually(t, "no new connections", func() bool { return !discovery.Probe(c.addr) })
	if got := <-answer; got != "slept" {
		t.Errorf("the request in flight got %q", got)
	}
	if code := c.code(30 * time.Second); code != 143 {
		t.Errorf("exit code %d, want 143", code)
	}
	if !strings.Contains(c.stdout.String(), "End") {
		t.Error("no End line")
	}
}

// TestDrainIsOver: a request that takes longer than the grace allows for is
// told that the program has been ended.
func TestDrainIsOver(t *testing.T) {
	var c *container
	// A tenth of the grace is for the answer; a busy machine may need more.
	for _, grace := range []string{"3s", "10s", "40s"} {
		c = launch(t, runs("serve"), env("SHIM_GRACE="+grace))
		c.ready()
		go func() {
			eventually(t, "the request is in flight", func() bool { return strings.Contains(c.stdout.String(), "Start") })
			_ = c.cmd.Process.Signal(syscall.SIGTERM)
		}()
		req, _ := http.NewRequest("GET", "http://function.example/slow?1m", nil)
		req.Header.Set("x-fc-request-id", "last")
		req.Header.Set("x-fc-control-path", "/invoke")
		told := "no answer"
		if resp, err := c.client().Do(req); err == nil {
			b, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			told = fmt.Sprint(resp.StatusCode, " ", string(b))
		}
		if strings.HasPrefix(told, "502 ") && strings.Contains(told, "ProgramExited") && strings.Contains(told, "signal 15") {
			break
		}
		if t.Logf("with %s: %s", grace, told); grace == "40s" {
			t.Error(told)
		}
	}
	if code := c.code(30 * time.Second); code != 143 {
		t.Errorf("exit code %d", code)
	}
	if !strings.HasSuffix(c.stdout.String(), "FC Invoke End RequestId: last, Error: Unhandled function error\n") {
		t.Errorf("log %q", c.stdout.String())
	}
}

func TestProgramDiesInRequest(t *testing.T) {
	c := launch(t, runs("serve"))
	c.ready()
	status, body := c.get("/die", "x-fc-request-id", "last", "x-fc-control-path", "/invoke")
	if status != 502 || body != `{"errorType":"ProgramExited","errorMessage":"the program ended with exit code 9 before it answered","requestId":"last"}`+"\n" {
		t.Errorf("%d %s", status, body)
	}
	if code := c.code(30 * time.Second); code != 9 {
		t.Errorf("exit code %d", code)
	}
	if !strings.HasSuffix(c.stdout.String(), "FC Invoke End RequestId: last, Error: Unhandled function error\n") {
		t.Errorf("log %q", c.stdout.String())
	}
}

// TestPostOnce: the program reads a POST and closes. It is not sent again. A
// GET on a connection that the program closed after answering is.
func TestPostOnce(t *testing.T) {
	c := launch(t, runs("closer", "silent"))
	c.ready()
	resp := c.do("POST", "/", strings.NewReader("pay"))
	b, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != 502 || !strings.Contains(string(b), message.ProgramClosedConnection) {
		t.Errorf("%d %s", resp.StatusCode, b)
	}
	eventually(t, "the POST is told of", func() bool { return strings.Contains(c.stdout.String(), "got POST") })
	time.Sleep(100 * time.Millisecond)
	if n := strings.Count(c.stdout.String(), "got POST"); n != 1 {
		t.Errorf("the POST came %d times", n)
	}
	c = launch(t, runs("closer", "keepalive"))
	c.ready()
	for i := range 50 {
		method := []string{"GET", "POST"}[i%2]
		resp := c.do(method, "/", nil)
		if resp.StatusCode != 200 {
			t.Fatalf("%s number %d: %d", method, i, resp.StatusCode)
		}
		if i%10 == 0 {
			time.Sleep(20 * time.Millisecond)
		}
	}
}

// TestStatus is the rule for x-fc-status.
func TestStatus(t *testing.T) {
	c := launch(t, runs("serve"))
	c.ready()
	for _, test := range []struct {
		control string
		code    int
		own     string
		want    string
	}{
		{"/invoke", 200, "", "200"},
		{"/invoke", 500, "", "404"},
		{"/invoke", 404, "", "404"},
		{"/invoke", 200, "404", "404"},
		{"/invoke", 500, "200", "200"},
		{"/initialize", 404, "404", "404"},
		{"/initialize", 500, "", "404"},
		{"/http-invoke", 500, "", ""},
		{"", 500, "", ""},
	} {
		header := []string{"X-Own-Status", test.own}
		if test.control != "" {
			header = append(header, "x-fc-control-path", test.control)
		}
		resp := c.do("POST", "/status?"+strconv.Itoa(test.code), nil, header...)
		if got := resp.Header.Get("x-fc-status"); resp.StatusCode != test.code || got != test.want {
			t.Errorf("%+v: x-fc-status %q, status %d", test, got, resp.StatusCode)
		}
	}
}

// TestThaw stops everything as a freeze does, longer than connections live,
// and goes on.
func TestThaw(t *testing.T) {
	c := launch(t, runs("serve"))
	c.ready()
	c.get("/")
	children := program.Descendants(c.cmd.Process.Pid)
	if len(children) == 0 {
		t.Fatal("no child")
	}
	for range 2 {
		for _, pid := range append(children, c.cmd.Process.Pid) {
			_ = syscall.Kill(pid, syscall.SIGSTOP)
		}
		time.Sleep(1500 * time.Millisecond)
		for _, pid := range append(children, c.cmd.Process.Pid) {
			_ = syscall.Kill(pid, syscall.SIGCONT)
		}
		for _, method := range []string{"POST", "GET"} {
			if resp := c.do(method, "/", nil); resp.StatusCode != 200 {
				t.Errorf("%s after a thaw: %d", method, resp.StatusCode)
			}
		}
	}
}

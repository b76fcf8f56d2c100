package relay

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// start runs a program that prints the port it listens on, with one more
// variable in its environment, and stops it with the test.
func start(t *testing.T, name, script, env string, command ...string) (*exec.Cmd, net.Addr) {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(command[0], append(command[1:], file)...)
	cmd.Env = append(os.Environ(), env)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("stderr: %s", stderr.String())
		}
	})
	port := 0
	if _, err := fmt.Fscanln(out, &port); err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	return cmd, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}
}

const nodeServer = `
const http = require('http')
const s = http.createServer((req, res) => {
  const chunks = []
  req.on('data', c => chunks.push(c))
  req.on('end', () => {
    if (req.url === '/events') {
      res.writeHead(200, {'content-type': 'text/event-stream'})
      let n = 0
      const t = setInterval(() => { res.write('data: ' + n + '\n\n'); if (++n === 3) { clearInterval(t); res.end() } }, 20)
      return
    }
    if (req.url === '/hints') res.writeEarlyHints({link: '</a>; rel=preload'})
    if (req.url === '/trailers') {
      res.writeHead(200, {trailer: 'x-sum'})
      res.write('body')
      res.addTrailers({'x-sum': String(req.trailers['x-in'])})
      return res.end()
    }
    if (req.url === '/empty') { res.writeHead(200, {'transfer-encoding': 'chunked'}); return res.end() }
    if (req.url === '/204') { res.writeHead(204); return res.end() }
    if (req.url === '/crash') { res.writeHead(200); res.write('half'); return setTimeout(() => res.socket.destroy(), 20) }
    res.end(req.method + ' ' + req.url + ' ' + req.headers.host + ' ' + Buffer.concat(chunks))
  })
})
if (process.env.KEEP) s.keepAliveTimeout = Number(process.env.KEEP)
s.listen(0, '127.0.0.1', () => console.log(s.address().port))
`

// TestNode has a server of Node.js answer.
func TestNode(t *testing.T) {
	t.Parallel()
	_, a := start(t, "server.js", nodeServer, "", "node")
	r := New(Options{Dial: dialer(a)})
	t.Cleanup(r.Close)
	addr, c := front(t, r), client(t)
	do := func(method, path, body string) string {
		t.Helper()
		req, _ := http.NewRequest(method, "http://"+addr+path, strings.NewReader(body))
		if body == "chunked" {
			req.ContentLength = -1
			req.Trailer = http.Header{"X-In": {"in"}}
		}
		req.Host = "own.example"
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		return fmt.Sprint(resp.StatusCode, " ", string(b), " ", err, " ", resp.Trailer.Get("X-Sum"))
	}
	for range 3 {
		for _, c := range []struct{ method, path, body, want string }{
			{"GET", "/a%2Fb?c", "", "200 GET /a%2Fb?c own.example  <nil> "},
			{"POST", "/", "body", "200 POST / own.example body <nil> "},
			{"PUT", "/", "", "200 PUT / own.example  <nil> "},
			{"DELETE", "/", "", "200 DELETE / own.example  <nil> "},
			{"POST", "/trailers", "chunked", "200 body <nil> in"},
			{"GET", "/events", "", "200 data: 0\n\ndata: 1\n\ndata: 2\n\n <nil> "},
			{"GET", "/hints", "", "200 GET /hints own.example  <nil> "},
			{"GET", "/empty", "", "200  <nil> "},
			{"GET", "/204", "", "204  <nil> "},
			{"HEAD", "/", "", "200  <nil> "},
			{"GET", "/crash", "", "200 half unexpected EOF "},
		} {
			if got := do(c.method, c.path, c.body); got != c.want {
				t.Errorf("%s %s: %q, want %q", c.method, c.path, got, c.want)
			}
		}
	}
	r.pool.mu.Lock()
	defer r.pool.mu.Unlock()
	if r.pool.peak > 1 {
		t.Errorf("%d connections at a time", r.pool.peak)
	}
}

// TestPython: a server that answers one connection at a time, in HTTP/1.0 and
// in HTTP/1.1.
func TestPython(t *testing.T) {
	for _, version := range []string{"HTTP/1.0", "HTTP/1.1"} {
		_, a := start(t, "server.py", `
from http.server import *
class H(BaseHTTPRequestHandler):
    protocol_version = "`+version+`"
    def do_POST(self):
        b = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200)
        if self.protocol_version == "HTTP/1.1" or self.path == "/length":
            self.send_header("Content-Length", str(len(b) + 1))
        self.end_headers()
        self.wfile.write(b + b"!")
    do_GET = do_POST
    def log_message(self, *a): pass
s = HTTPServer(("127.0.0.1", 0), H)
print(s.server_port, flush=True)
s.serve_forever()
`, "", "python3")
		r := New(Options{Dial: dialer(a)})
		t.Cleanup(r.Close)
		for i := range 4 {
			x, path := get("/"), []string{"/", "/length"}[i%2]
			if err := r.Do(x); err != nil || x.body.String() != "!" {
				t.Error(version, x, err)
			}
			x = ask("POST", path, "body", "Content-Length", "4")
			if err := r.Do(x); err != nil || x.body.String() != "body!" {
				t.Error(version, x, err)
			}
		}
	}
}

// TestIdleNode: Node.js closes idle connections after the time that is set
// here to 60 ms (its own default is 5 s), at every moment around a request.
func TestIdleNode(t *testing.T) {
	t.Parallel()
	_, a := start(t, "server.js", nodeServer, "KEEP=60", "node")
	r := New(Options{Dial: dialer(a)})
	t.Cleanup(r.Close)
	for i := range 120 {
		x := []*recorder{get("/"), post()}[i%2]
		if err := r.Do(x); err != nil || x.head.Status != 200 {
			t.Fatal(i, err, x)
		}
		time.Sleep(time.Duration(i%80) * time.Millisecond)
	}
}

// TestFreeze stops and continues a program, or everything, as the platform
// freezes an instance, while requests come. None may fail.
func TestFreeze(t *testing.T) {
	for name, order := range map[string]string{"program": "p", "relay first": "rp", "program first": "pr"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// What it keeps connections for is more than a freeze takes, also on
			// a busy machine: a POST that meets one waits on its connection, and
			// is lost where the program closes that as soon as it goes on.
			program, a := start(t, "server.js", nodeServer, "KEEP=10000", "node")
			relay, addr := start(t, "unused", "", childVariable+"="+a.String(), os.Args[0])
			var stop atomic.Bool
			var wait sync.WaitGroup
			var done atomic.Int64
			for i := range 4 {
				wait.Go(func() {
					c := client(t)
					for !stop.Load() {
						resp, err := request(c, "http://"+addr.String()+"/", i%2 == 0)
						if err != nil || !strings.HasPrefix(resp, "200 ") {
							t.Error(resp, err)
							return
						}
						time.Sleep(time.Duration(done.Add(1)%8) * 50 * time.Millisecond)
					}
				})
			}
			each := func(s syscall.Signal) {
				for _, p := range order {
					_ = map[rune]*exec.Cmd{'p': program, 'r': relay}[p].Process.Signal(s)
				}
			}
			for range 3 {
				before := done.Load()
				eventually(t, "each has asked", func() bool { return done.Load() >= before+4 || t.Failed() })
				each(syscall.SIGSTOP)
				time.Sleep(1200 * time.Millisecond)
				each(syscall.SIGCONT)
			}
			stop.Store(true)
			wait.Wait()
		})
	}
}

func request(c *http.Client, url string, posts bool) (string, error) {
	method, body := "GET", io.Reader(nil)
	if posts {
		method, body = "POST", strings.NewReader("body")
	}
	req, _ := http.NewRequest(method, url, body)
	resp, err := c.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return fmt.Sprint(resp.StatusCode, " ", string(b)), err
}

package shim

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/imgbuild/imgbuild/pkg/shim/program"
)

// programs are what runs under the shim in tests.
var programs = map[string]func(args []string) int{
	"serve":   serve,
	"orphans": orphans,
	"signals": signals,
	"demote": func(args []string) int {
		if err := syscall.Setuid(65534); err != nil {
			return 1
		}
		return serve(args)
	},
	"leaver": leaver,
	"hog":    hog,
	"closer": closer,
}

// serve listens on each of its arguments, such as tcp4:127.0.0.1:9000, or
// after a time: 300ms@tcp::9000, or of work: busy 300ms@tcp::9000, or when a
// file is there: /FILE@tcp::9000. Without arguments it listens on PORT.
func serve(args []string) int {
	if len(args) == 0 {
		args = []string{"tcp::" + os.Getenv("PORT")}
	}
	failed := make(chan error)
	for _, a := range args {
		go func() {
			if wait, rest, ok := strings.Cut(a, "@"); ok {
				for strings.HasPrefix(wait, "/") {
					if _, err := os.Stat(wait); err == nil {
						break
					}
					time.Sleep(10 * time.Millisecond)
				}
				work, busy := strings.CutPrefix(wait, "busy ")
				d, _ := time.ParseDuration(work)
				for start := time.Now(); busy && time.Since(start) < d; {
				}
				if !busy {
					time.Sleep(d)
				}
				a = rest
			}
			network, addr, _ := strings.Cut(a, ":")
			l, err := net.Listen(network, addr)
			if err != nil {
				failed <- err
				return
			}
			failed <- http.Serve(l, handler(a))
		}()
	}
	fmt.Fprintln(os.Stderr, "program:", <-failed)
	return 7
}

func handler(name string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s %s %s\n", name, r.Method, r.Host, r.RequestURI)
	})
	mux.HandleFunc("/headers", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Fc-Secret", "1")
		w.Header().Set("Server", "mine")
		w.Header().Set("X-Own", "kept")
		_ = r.Header.Write(w)
	})
	mux.HandleFunc("/env", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, os.Getenv(r.URL.RawQuery))
	})
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		d, err := time.ParseDuration(r.URL.RawQuery)
		if err != nil {
			d = time.Second
		}
		time.Sleep(d)
		fmt.Fprint(w, "slept")
	})
	mux.HandleFunc("/events", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.(http.Flusher).Flush()
		buf := bufio.NewReader(os.Stdin)
		for i := range 3 {
			_, _ = buf.ReadString('\n') // the test says when
			fmt.Fprintf(w, "data: %d\n\n", i)
			w.(http.Flusher).Flush()
		}
	})
	mux.HandleFunc("/count", func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "%d %v", n, err)
	})
	mux.HandleFunc("/bytes", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.ParseInt(r.URL.RawQuery, 10, 64)
		_, _ = io.CopyN(w, zeros{}, n)
	})
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		conn, buf, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		_, _ = io.Copy(conn, buf)
	})
	mux.HandleFunc("/log", func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get("X-Fc-Request-Id")
		fmt.Printf("FC Invoke Start RequestId: %s\nworking %s\r\nFC Invoke End RequestId: %s%s\n", id, id, id, r.URL.Query().Get("suffix"))
	})
	mux.HandleFunc("/print", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(os.Stdout, r.Body)
	})
	mux.HandleFunc("/status", func(w http.ResponseWriter, r *http.Request) {
		code, _ := strconv.Atoi(r.URL.RawQuery)
		if own := r.Header.Get("X-Own-Status"); own != "" {
			w.Header().Set("x-fc-status", own)
		}
		w.WriteHeader(code)
	})
	mux.HandleFunc("/die", func(http.ResponseWriter, *http.Request) { os.Exit(9) })
	mux.HandleFunc("/trailer", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		fmt.Fprint(w, "body")
		w.Header().Set("X-Sum", "42")
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "//") { // the mux would redirect
			fmt.Fprintf(w, "%s %s %s %s\n", name, r.Method, r.Host, r.RequestURI)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// orphans makes n processes whose parent ends before they do, waits for its
// own child meanwhile, and then says how many zombies there are.
func orphans(args []string) int {
	// Each subshell ends at once; the one it put in the background is an orphan.
	script := fmt.Sprintf("i=0; while [ $i -lt %s ]; do ( : & ) ; i=$((i+1)); done", args[0])
	if err := exec.Command("sh", "-c", script).Run(); err != nil {
		fmt.Println("own child:", err)
		return 1
	}
	zombies := -1
	for range 100 {
		zombies = 0
		for _, pid := range program.Descendants(1) {
			b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
			if _, after, ok := strings.Cut(string(b), ") "); ok && after[0] == 'Z' {
				zombies++
			}
		}
		if zombies == 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	fmt.Printf("zombies: %d, own child waited for, pid of parent: %d\n", zombies, os.Getppid())
	return 0
}

// signals prints what it gets, and leaves with 5 on SIGTERM unless told to stay.
func signals(args []string) int {
	c := make(chan os.Signal, 16)
	signal.Notify(c, syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGTERM, syscall.SIGWINCH, syscall.Signal(40))
	if len(args) > 1 { // a child in the same group gets them too
		cmd := exec.Command(os.Args[0], "-program", "signals", "child")
		cmd.Stdout = os.Stdout
		_ = cmd.Start()
	}
	fmt.Println(args[0], "waits")
	for s := range c {
		fmt.Println(args[0], int(s.(syscall.Signal)))
		if s == syscall.SIGTERM && args[0] != "stubborn" {
			return 5
		}
	}
	return 0
}

// hog takes memory without end.
func hog([]string) int {
	for kept := [][]byte{}; ; {
		b := make([]byte, 16<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		kept = append(kept, b)
	}
}

// leaver leaves a process behind that keeps the output open and fills it.
func leaver([]string) int {
	cmd := exec.Command("sh", "-c", "while :; do echo still here; sleep 0.01; done")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return 1
	}
	fmt.Println("left behind", cmd.Process.Pid)
	return 0
}

// closer answers one request on each connection, says keep-alive and closes
// it, or only reads the request and closes; it counts requests.
func closer(args []string) int {
	l, err := net.Listen("tcp", ":"+os.Getenv("PORT"))
	if err != nil {
		return 1
	}
	for n := 1; ; n++ {
		conn, err := l.Accept()
		if err != nil {
			return 1
		}
		req, err := http.ReadRequest(bufio.NewReader(conn))
		if err == nil {
			fmt.Println("got", req.Method)
			if args[0] == "keepalive" {
				body := strconv.Itoa(n)
				fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
			}
		}
		conn.Close()
	}
}

// Command program is a function that does what its events say.
package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

var (
	ticks   atomic.Int64 // of 5 ms that this process has run
	served  atomic.Int64
	dropped atomic.Int64
	sick    atomic.Bool
	taken   [][]byte
)

func main() {
	if os.Getenv("DEAF") != "" {
		signal.Ignore(syscall.SIGTERM)
	}
	word, rest := "", ""
	if len(os.Args) > 1 {
		word, rest, _ = strings.Cut(os.Args[1], " ")
	}
	switch word {
	case "never":
		fmt.Println("never listening")
		time.Sleep(time.Hour)
	case "exit":
		n, _ := strconv.Atoi(rest)
		fmt.Println("leaving with", n)
		os.Exit(n)
	case "take":
		take(rest)
	case "spin":
		burn(time.Hour)
	}
	go func() {
		for range time.Tick(5 * time.Millisecond) {
			ticks.Add(1)
		}
	}()
	http.HandleFunc("/initialize", func(w http.ResponseWriter, r *http.Request) {
		fmt.Println("initializing")
		if os.Getenv("INIT") == "fail" {
			http.Error(w, "no database", http.StatusInternalServerError)
		}
	})
	http.HandleFunc("/pre-freeze", func(http.ResponseWriter, *http.Request) { fmt.Println("pre-freeze") })
	http.HandleFunc("/pre-stop", func(http.ResponseWriter, *http.Request) { fmt.Println("pre-stop") })
	http.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) {
		if sick.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	http.HandleFunc("/drop", drop)
	http.HandleFunc("/events", events)
	http.HandleFunc("/more", func(http.ResponseWriter, *http.Request) { more <- true })
	http.HandleFunc("/socket", socket)
	http.HandleFunc("/", call)
	port := cmp.Or(os.Getenv("FIXED"), os.Getenv("FC_CUSTOM_LISTEN_PORT"))
	fmt.Fprintln(os.Stderr, http.ListenAndServe(":"+port, nil))
}

// call answers an event, and says what it got of an HTTP trigger.
func call(w http.ResponseWriter, r *http.Request) {
	served.Add(1)
	body, _ := io.ReadAll(r.Body)
	id := r.Header.Get("x-fc-request-id")
	if r.Header.Get("x-fc-control-path") == "/http-invoke" {
		w.Header().Set("X-Fc-Own", "taken off")
		w.Header().Set("X-Own", "kept")
		fmt.Fprintf(w, "%s %s %s %s", r.Method, r.Host, r.RequestURI, body)
		return
	}
	if os.Getenv("LINES") != "" {
		fmt.Println("FC Invoke Start RequestId: " + id)
		defer fmt.Println("FC Invoke End RequestId: " + id)
	}
	word, rest, _ := strings.Cut(string(body), " ")
	switch word {
	case "say":
		fmt.Println(rest)
		fmt.Fprint(w, rest)
	case "fail":
		w.Header().Set("x-fc-status", "404")
		fmt.Fprint(w, `{"errorMessage":"it failed"}`)
	case "wrong":
		w.WriteHeader(http.StatusInternalServerError)
	case "sleep":
		d, _ := time.ParseDuration(rest)
		time.Sleep(d)
	case "await":
		fmt.Println("awaiting", rest)
		for _, err := os.Stat(rest); err != nil; _, err = os.Stat(rest) {
			time.Sleep(5 * time.Millisecond)
		}
	case "exit":
		n, _ := strconv.Atoi(rest)
		os.Exit(n)
	case "kill":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		time.Sleep(time.Minute)
	case "take":
		take(rest)
		fmt.Fprint(w, "took ", len(taken), " MB")
	case "burn":
		d, _ := time.ParseDuration(rest)
		burn(d)
	case "file":
		b, _ := os.ReadFile(rest)
		_, _ = w.Write(b)
	case "write":
		_, err := os.OpenFile(rest, os.O_WRONLY, 0)
		fmt.Fprint(w, err)
	case "sick":
		sick.Store(true)
	case "ticks":
		fmt.Fprint(w, ticks.Load())
	case "served":
		fmt.Fprint(w, served.Load())
	case "header":
		fmt.Fprint(w, r.Header.Get(rest))
	case "env":
		fmt.Fprint(w, os.Getenv(rest))
	case "flood":
		n, _ := strconv.Atoi(rest)
		line := strings.Repeat("x", 1000)
		for range n {
			fmt.Println(line)
		}
		fmt.Print(strings.Repeat("y", 200_000)) // a line that does not end
		fmt.Println()
		fmt.Fprint(w, "flooded")
	case "answer":
		n, _ := strconv.Atoi(rest)
		fmt.Fprint(w, strings.Repeat("z", n))
	default:
		_, _ = w.Write(body)
	}
}

// take takes so many MB and keeps them.
func take(mb string) {
	n, _ := strconv.Atoi(mb)
	for range n {
		taken = append(taken, bytes.Repeat([]byte{1}, 1<<20))
	}
}

// burn uses so much of a core.
func burn(d time.Duration) {
	used := func() time.Duration {
		var u syscall.Rusage
		_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	for end := used() + d; used() < end; {
	}
}

// drop ends connections without an answer, the first times.
func drop(w http.ResponseWriter, r *http.Request) {
	times, _ := strconv.Atoi(r.URL.Query().Get("times"))
	if n := dropped.Add(1); n > int64(times) {
		fmt.Fprint(w, "answered at ", n)
		return
	}
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		conn.Close()
	}
}

// more is for the second event.
var more = make(chan bool)

// events sends two server-sent events, the second one when it is told to.
func events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprint(w, "data: first\n\n")
	w.(http.Flusher).Flush()
	<-more
	fmt.Fprint(w, "data: second\n\n")
}

// socket becomes a WebSocket's connection, on which it sends back what comes.
func socket(w http.ResponseWriter, r *http.Request) {
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		w.WriteHeader(http.StatusUpgradeRequired)
		return
	}
	conn, rw, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
	_, _ = io.Copy(conn, rw)
}

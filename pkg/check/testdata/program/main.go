// A function that keeps the contract by itself, and breaks it as its arguments
// say.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"
)

func has(fault string) bool { return slices.Contains(os.Args[1:], fault) }

func main() {
	switch {
	case has("exits"):
		fmt.Println("the reason is here")
		os.Exit(4)
	case has("deaf"):
		time.Sleep(time.Hour)
	}
	host := "0.0.0.0"
	if has("loopback") {
		host = "127.0.0.1"
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	s := &http.Server{Addr: host + ":" + os.Getenv("FC_CUSTOM_LISTEN_PORT"), Handler: http.HandlerFunc(serve)}
	if has("impatient") {
		s.ConnState = func(c net.Conn, state http.ConnState) {
			if begun, ok := begins.Load(c.RemoteAddr().String()); ok && begun == "/" && state == http.StateIdle {
				c.Close()
			}
		}
	}
	if has("slow") {
		time.Sleep(time.Second)
	}
	go func() {
		for range stop {
			if !has("stubborn") {
				_ = s.Shutdown(context.Background())
			}
		}
	}()
	err := s.ListenAndServe()
	if err != http.ErrServerClosed {
		fmt.Println(err)
		os.Exit(1)
	}
}

// begins has the first path that a connection was used for. Who is impatient
// leaves those for events open: a call could go to one that is just being closed.
var begins sync.Map

func serve(w http.ResponseWriter, r *http.Request) {
	begins.LoadOrStore(r.RemoteAddr, r.URL.Path)
	id := r.Header.Get("x-fc-request-id")
	if has("closes") {
		w.Header().Set("Connection", "close")
	}
	if has("five") {
		w.Header().Set("Keep-Alive", "timeout=5")
	}
	switch r.Header.Get("x-fc-control-path") {
	case "/initialize", "/pre-freeze", "/pre-stop":
		if has("hookless") {
			w.WriteHeader(http.StatusInternalServerError)
		}
		return
	case "/invoke":
		event, _ := io.ReadAll(r.Body)
		if !has("silent") {
			fmt.Println("FC Invoke Start RequestId: " + id)
			defer fmt.Println("FC Invoke End RequestId: " + id)
		}
		if has("echo") {
			fmt.Println("FC Invoke Start RequestId: " + id)
		}
		if string(event) == "{" {
			if !has("unmarked") {
				w.Header().Set("x-fc-status", "404")
			}
			if has("dies") {
				os.Exit(1)
			}
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.Header().Set("x-fc-status", "200")
	default:
		if has("broken") {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}
	fmt.Fprintln(w, "hello")
}

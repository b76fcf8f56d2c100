// A function that is called with events. The platform posts each to /invoke.
// As in a custom runtime the program listens on port 9000; the container
// listens on 8080.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os/signal"
	"syscall"
)

// greet is the function. Its event is a name.
func greet(_ context.Context, name string) (string, error) {
	if name == "" {
		return "", errors.New("the event names nobody")
	}
	return "hello, " + name, nil
}

// invoke answers one event.
func invoke(w http.ResponseWriter, r *http.Request) {
	answer, err := call(r)
	if err != nil {
		// Without this header the platform counts success.
		w.Header().Set("x-fc-status", "404")
		w.WriteHeader(http.StatusNotFound)
		log.Print(err)
		answer = map[string]string{"errorMessage": err.Error()}
	}
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		log.Print(err)
	}
}

func call(r *http.Request) (any, error) {
	event, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, fmt.Errorf("reading the event: %w", err)
	}
	var name string
	if err := json.Unmarshal(event, &name); err != nil {
		return nil, fmt.Errorf("the event is no name in JSON: %w", err)
	}
	return greet(r.Context(), name)
}

func handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /invoke", invoke)
	return mux
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	server := &http.Server{Addr: ":9000", Handler: handler()}
	go func() {
		<-ctx.Done()
		server.Shutdown(context.Background())
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
}

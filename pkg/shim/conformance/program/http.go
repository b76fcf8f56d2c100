package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
)

// serveHTTP is an ordinary server on net/http, as users write them.
func serveHTTP([]string) int {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		fmt.Fprintf(w, "go %s %s %s", r.Method, r.RequestURI, b)
	})
	fmt.Fprintln(os.Stderr, "program:", http.ListenAndServe(":"+portOf(), nil))
	return 7
}

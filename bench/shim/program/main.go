// Command program is the trivial server that the bench puts behind everything.
package main

import (
	"fmt"
	"net/http"
	"os"
)

func main() {
	body := []byte("hello from the program\n")
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) })
	fmt.Fprintln(os.Stderr, http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
	os.Exit(1)
}

// Package fc stands for that of Function Compute's Go SDK, whose module cannot
// be had through every module proxy. It speaks the runtime API in the same way,
// as far as a handler of one type needs it.
package fc

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"os"
)

// Start calls handler with each event.
func Start(handler func(context.Context, string) (string, error)) {
	base := "http://" + os.Getenv("FC_RUNTIME_API") + "/2020-11-11/runtime/invocation/"
	for {
		res, err := http.Get(base + "next")
		if err != nil {
			log.Fatal(err)
		}
		event, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil {
			log.Fatal(err)
		}
		var name, answer string
		if err = json.Unmarshal(event, &name); err == nil {
			answer, err = handler(context.Background(), name)
		}
		end, value := "/response", any(answer)
		if err != nil {
			end, value = "/error", map[string]string{"errorMessage": err.Error(), "errorType": "errorString"}
		}
		body, err := json.Marshal(value)
		if err != nil {
			log.Fatal(err)
		}
		res, err = http.Post(base+res.Header.Get("x-fc-request-id")+end, "application/json", bytes.NewReader(body))
		if err != nil {
			log.Fatal(err)
		}
		res.Body.Close()
	}
}

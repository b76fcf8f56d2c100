package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// sdk polls the go1 runtime API as the vendor's SDK does: one invocation after
// the other is taken, and each is handled beside the next poll.
func sdk(args []string) int {
	startHTTP := len(args) > 0 // fc.StartHttp and not fc.Start
	base := "http://" + os.Getenv("FC_RUNTIME_API") + "/2020-11-11/runtime/invocation/"
	fmt.Println("polling", os.Getenv("FC_RUNTIME_API") != "")
	for {
		resp, err := http.Get(base + "next")
		if err != nil {
			fmt.Fprintln(os.Stderr, "program:", err)
			return 6
		}
		payload, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			fmt.Fprintln(os.Stderr, "program: next:", resp.Status, err)
			return 6
		}
		// What the SDK ends for when it cannot be read.
		for _, name := range []string{"x-fc-function-deadline", "x-fc-function-timeout", "x-fc-function-type"} {
			if _, err := strconv.ParseInt(resp.Header.Get(name), 10, 64); err != nil {
				fmt.Fprintln(os.Stderr, "program:", err)
				return 6
			}
		}
		go handle(base, resp.Header, payload, startHTTP)
	}
}

func handle(base string, h http.Header, payload []byte, startHTTP bool) {
	id := h.Get("x-fc-request-id")
	if s, ok := strings.CutPrefix(string(payload), "sleep "); ok {
		d, _ := time.ParseDuration(s)
		time.Sleep(d)
	}
	url, body, params := base+id+"/response", []byte("event "+string(payload)), ""
	var event struct {
		Version, Body  string
		RequestContext struct{ HTTP struct{ Method, Path string } }
	}
	switch in := h.Get("x-fc-http-params"); {
	case startHTTP && in == "":
		url = base + id + "/error"
		body = []byte(`{"errorMessage":"no httpParams found in request","errorType":"errorString","stackTrace":[]}`)
	case json.Unmarshal(payload, &event) == nil && event.Version == "v1":
		out := event.RequestContext.HTTP
		body, _ = json.Marshal(map[string]any{"statusCode": 202, "headers": map[string]string{"X-Sdk": "yes"}, "body": "event " + out.Method + " " + out.Path + " " + event.Body})
	case strings.Contains(string(payload), "fail"):
		url = base + id + "/error"
		body = []byte(`{"errorMessage":"it failed","errorType":"errorString","stackTrace":[]}`)
	case in != "":
		var request struct {
			Path, Method, RequestURI string
			HeadersMap               map[string][]string
		}
		b, _ := base64.StdEncoding.DecodeString(in)
		if err := json.Unmarshal(b, &request); err != nil {
			fmt.Fprintln(os.Stderr, "program: http params:", err)
		}
		out, _ := json.Marshal(map[string]any{"status": 201, "headersMap": map[string][]string{"X-Sdk": {"yes"}}})
		params = base64.StdEncoding.EncodeToString(out)
		body = fmt.Appendf(nil, "http %s %s %s", request.Method, request.Path, payload)
	case h.Get("x-fc-function-type") != "0":
		body = []byte("hook " + h.Get("x-fc-function-type"))
	}
	req, _ := http.NewRequest("POST", url, bytes.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	if params != "" {
		req.Header.Set("x-fc-http-params", params)
	}
	if resp, err := http.DefaultClient.Do(req); err != nil || resp.StatusCode != http.StatusOK {
		fmt.Fprintln(os.Stderr, "program: response:", err)
	}
}

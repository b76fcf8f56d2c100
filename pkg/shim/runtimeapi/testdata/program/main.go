// Command program speaks the runtime API as programs built with Function
// Compute's Go SDK do. It is written by hand: the SDK's module cannot be had
// through the module proxy this project uses. What it does was read from the
// SDK's source: one loop that polls, a goroutine for each call, headers that
// are fatal if they cannot be parsed, panics that are reported, and the
// refusal of a call without x-fc-http-params by an HTTP function.
//
// KIND says what it is: event (fc.Start) or http (fc.StartHttp). HOOKS=on
// registers an initializer, a pre-freeze and a pre-stop handler.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

type frame struct {
	Path  string `json:"path"`
	Line  int32  `json:"line"`
	Label string `json:"label"`
}

type failure struct {
	Message string  `json:"errorMessage"`
	Type    string  `json:"errorType"`
	Stack   []frame `json:"stackTrace,omitempty"`
}

type call struct {
	id      string
	header  http.Header
	payload []byte
}

var base = "http://" + os.Getenv("FC_RUNTIME_API") + "/2020-11-11/runtime/invocation/"

func main() {
	for {
		c, err := next()
		if err != nil {
			log.Printf("failed to get a call: %v", err)
			continue // at once, as the SDK does
		}
		go func() {
			if err := handle(c); err != nil {
				log.Printf("failed to handle %s: %v", c.id, err)
			}
		}()
	}
}

func next() (*call, error) {
	r, err := http.Get(base + "next")
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	if r.StatusCode != 200 {
		return nil, fmt.Errorf("status %d", r.StatusCode)
	}
	payload, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	return &call{r.Header.Get("x-fc-request-id"), r.Header, payload}, nil
}

func post(url string, payload []byte, params string) error {
	req, err := http.NewRequest("POST", url, bytes.NewBuffer(payload))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if params != "" {
		req.Header.Set("x-fc-http-params", params)
	}
	r, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	_, _ = io.Copy(io.Discard, r.Body)
	if r.StatusCode != 200 {
		return fmt.Errorf("%s: status %d", url, r.StatusCode)
	}
	return nil
}

func handle(c *call) (err error) {
	if _, err := strconv.ParseInt(c.header.Get("x-fc-function-deadline"), 10, 64); err != nil {
		return err // never answered
	}
	if _, err := strconv.Atoi(c.header.Get("x-fc-function-timeout")); err != nil {
		return err
	}
	if v := c.header.Get("x-fc-retry-count"); v != "" {
		if _, err := strconv.Atoi(v); err != nil {
			return err
		}
	}
	if v := c.header.Get("x-fc-tracing-opentracing-span-baggages"); v != "" {
		data, err := base64.StdEncoding.DecodeString(v)
		if err != nil {
			return err
		}
		var m map[string]string
		if err := json.Unmarshal(data, &m); err != nil {
			return err
		}
	}
	answer, params, failed := invoke(c)
	if failed != nil {
		data, _ := json.Marshal(failed)
		return post(base+c.id+"/error", data, "")
	}
	return post(base+c.id+"/response", answer, params)
}

func invoke(c *call) (answer []byte, params string, failed *failure) {
	defer func() {
		if p := recover(); p != nil {
			kind := "string"
			if _, ok := p.(error); ok {
				kind = "errorString"
			}
			failed = &failure{fmt.Sprint(p), kind, []frame{{"program/main.go", 100, "handler"}, {"runtime/panic.go", 770, "gopanic"}}}
		}
	}()
	if hook := map[string]string{"1": "initializer", "2": "prestop", "3": "prefreeze"}[c.header.Get("x-fc-function-type")]; hook != "" {
		if os.Getenv("HOOKS") != "on" {
			panic(errors.New("no " + hook + " handler registered"))
		}
		if c.header.Get("x-fc-function-name") == "bad" {
			panic("the hook failed")
		}
		fmt.Println("hook", hook)
		return nil, "", nil
	}
	if os.Getenv("KIND") == "http" {
		return invokeHTTP(c)
	}
	return invokeEvent(c)
}

// invokeEvent is the function: it says what it got, or does as it is told.
func invokeEvent(c *call) ([]byte, string, *failure) {
	var e map[string]any
	if err := json.Unmarshal(c.payload, &e); err != nil {
		if len(c.payload) > 1<<20 { // a big one comes back as it is
			return c.payload, "", nil
		}
		return nil, "", &failure{Message: err.Error(), Type: "SyntaxError"}
	}
	body, _ := e["body"].(string)
	if e["isBase64Encoded"] == true {
		raw, _ := base64.StdEncoding.DecodeString(body)
		body = string(raw)
	}
	switch do, _ := e["do"].(string); do {
	case "fail":
		return nil, "", &failure{Message: "as you wish", Type: "MyError"}
	case "panic":
		panic("as you wish")
	case "exit":
		os.Exit(3)
	case "sleep":
		time.Sleep(200 * time.Millisecond)
	}
	if e["rawPath"] == "/object" {
		return []byte(`{"statusCode":201,"headers":{"X-A":"1","Set-Cookie":["a","b"]},"isBase64Encoded":true,"body":"/wA="}`), "", nil
	}
	context := map[string]string{}
	for name := range c.header {
		if strings.HasPrefix(name, "X-Fc-") && name != "X-Fc-Function-Deadline" {
			context[name] = c.header.Get(name)
		}
	}
	deadline, _ := strconv.ParseInt(c.header.Get("x-fc-function-deadline"), 10, 64)
	data, _ := json.Marshal(map[string]any{"event": e, "context": context, "body": body, "left": time.Until(time.UnixMilli(deadline)).Round(time.Second).String()})
	return data, "", nil
}

func invokeHTTP(c *call) ([]byte, string, *failure) {
	encoded := c.header.Get("x-fc-http-params")
	if encoded == "" {
		return nil, "", &failure{Message: "no httpParams found in request", Type: "errorString"}
	}
	data, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, "", &failure{Message: err.Error(), Type: "CorruptInputError"}
	}
	var p struct {
		Path, Method, RequestURI, ClientIP, Host string
		QueriesMap, HeadersMap                   map[string][]string
	}
	if err := json.Unmarshal(data, &p); err != nil {
		return nil, "", &failure{Message: err.Error(), Type: "SyntaxError"}
	}
	req, err := http.NewRequest(p.Method, p.RequestURI, bytes.NewReader(c.payload))
	if err != nil {
		return nil, "", &failure{Message: err.Error(), Type: "Error"}
	}
	req.Header = p.HeadersMap
	switch p.Path {
	case "/fail":
		return nil, "", &failure{Message: "as you wish", Type: "MyError"}
	case "/empty":
		return nil, answerParams(0, nil), nil // nothing was written
	case "/echo":
		return c.payload, answerParams(200, http.Header{"Content-Type": {req.Header.Get("Content-Type")}, "Connection": {"close"}, "Content-Length": {"1"}}), nil
	}
	body := fmt.Sprintf("%s %s %s %s %s %q %d", p.Method, p.Path, p.RequestURI, p.ClientIP, p.Host, p.QueriesMap["a"], len(c.payload))
	for name, v := range req.Header {
		if strings.HasPrefix(name, "X-") {
			body += fmt.Sprintf(" %s=%q", name, v)
		}
	}
	return []byte(body), answerParams(418, http.Header{"X-Tea": {"pot", "cup"}, "Date": {time.Now().UTC().Format(http.TimeFormat)}}), nil
}

func answerParams(status int, h http.Header) string {
	if h == nil {
		h = http.Header{}
	}
	data, _ := json.Marshal(map[string]any{"status": status, "headersMap": h})
	return base64.StdEncoding.EncodeToString(data)
}

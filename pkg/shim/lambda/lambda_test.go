package lambda

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/pkg/shim/lambda/lambdatest"
	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// container is a Client that polls an emulator with a handler behind it.
type container struct {
	t      *testing.T
	api    *lambdatest.Server
	client *Client
	ended  chan error
	stop   func()

	mu   sync.Mutex
	said []string
}

func run(t *testing.T, o Options, e lambdatest.Options, h message.HandlerFunc) *container {
	t.Helper()
	c := &container{t: t, api: lambdatest.New(e), ended: make(chan error, 1)}
	o.API, o.Handler = c.api.Addr, h
	o.Say = func(format string, args ...any) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.said = append(c.said, fmt.Sprintf(format, args...))
	}
	c.client = New(o)
	ctx, cancel := context.WithCancel(context.Background())
	c.stop = cancel
	go func() { c.ended <- c.client.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-c.ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		c.api.Close()
		if v := c.api.Violations(); len(v) > 0 {
			t.Errorf("against the protocol: %q", v)
		}
	})
	return c
}

func (c *container) invoke(e lambdatest.Event) *lambdatest.Result {
	c.t.Helper()
	r, err := c.api.Invoke(c.t.Context(), e)
	if err != nil {
		c.t.Fatal(err)
	}
	return r
}

// describe answers with what was asked, as JSON, and with what the query wants.
func describe(x message.Exchange) {
	r := x.Request()
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
	}
	h := message.Header{{Name: "X-One", Value: "1"}, {Name: "x-one", Value: "2"}, {Name: "Set-Cookie", Value: "a=1"}, {Name: "set-cookie", Value: "b=2, c"}, {Name: "X-Fc-Status", Value: "200"}}
	path, query, _ := strings.Cut(r.Target, "?")
	switch path {
	case "/bytes":
		message.Answer(x, 200, h, []byte("\xff\x00"))
	case "/gzip":
		h.Add("Content-Encoding", "gzip")
		message.Answer(x, 200, h, []byte("text"))
	case "/missing":
		message.Answer(x, 404, h, []byte("<none>"))
	case "/empty":
		message.Answer(x, 204, nil, nil)
	case "/big":
		big := []byte(strings.Repeat("x", 7<<20))
		message.Answer(x, 200, nil, big)
	case "/abort":
		_ = x.Head(message.Head{Status: 200, Length: -1})
		_, _ = io.WriteString(x, "half")
		_ = x.Flush()
		x.Abort()
	case "/short":
		_ = x.Head(message.Head{Status: 200, Length: 10})
		_, _ = io.WriteString(x, "half")
		if x.End(nil) == nil {
			panic("a short body was ended")
		}
	case "/nothing":
	default:
		fields := map[string][]string{}
		for _, f := range r.Header {
			fields[strings.ToLower(f.Name)] = append(fields[strings.ToLower(f.Name)], f.Value)
		}
		data, _ := json.Marshal(map[string]any{"method": r.Method, "path": path, "query": query, "fields": fields, "body": string(body), "length": r.Length, "remote": fmt.Sprint(r.Remote)})
		message.Answer(x, 200, h, data)
	}
}

type described struct {
	Method, Path, Query, Body, Remote string
	Length                            int
	Fields                            map[string][]string
}

var environment = map[string]string{
	"AWS_LAMBDA_FUNCTION_NAME": "f", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128", "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
	"AWS_REGION": "us-test-1", "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/f", "_HANDLER": "index.handler", "AWS_SECRET_ACCESS_KEY": "s3cret",
}

func getenv(name string) string { return environment[name] }

func TestEvent(t *testing.T) {
	c := run(t, Options{Getenv: getenv}, lambdatest.Options{}, describe)
	r := c.invoke(lambdatest.Event{ID: "id-1", Payload: []byte(`{"a":1}`), Timeout: 20 * time.Second, TraceID: "Root=1", ClientContext: `{"c":1}`})
	var got described
	if err := json.Unmarshal(r.Payload, &got); err != nil || r.ErrorType != "" || r.Streamed {
		t.Fatal(err, r)
	}
	if got.Method != "POST" || got.Path != "/invoke" || got.Body != `{"a":1}` || got.Length != 7 {
		t.Errorf("%+v", got)
	}
	for name, want := range map[string]string{
		"x-fc-request-id": "id-1", "x-fc-control-path": "/invoke", "x-fc-function-name": "f", "x-fc-function-handler": "index.handler",
		"x-fc-function-memory": "128", "x-fc-function-timeout": "20", "x-fc-qualifier": "$LATEST", "x-fc-region": "us-test-1",
		"x-fc-account-id": "123456789012", "x-fc-service-logproject": "/aws/lambda/f", "x-amzn-trace-id": "Root=1",
		"lambda-runtime-client-context": `{"c":1}`, "lambda-runtime-invoked-function-arn": "arn:aws:lambda:us-test-1:123456789012:function:test",
		"content-type": "application/octet-stream",
	} {
		if !slices.Equal(got.Fields[name], []string{want}) {
			t.Errorf("%s: %q, want %q", name, got.Fields[name], want)
		}
	}
	if strings.Contains(string(r.Payload), "s3cret") {
		t.Error("a secret is in the headers")
	}
}

func TestEventErrors(t *testing.T) {
	for _, stream := range []bool{false, true} {
		c := run(t, Options{Stream: stream}, lambdatest.Options{}, func(x message.Exchange) {
			body, _ := io.ReadAll(x.Request().Body)
			var e struct {
				Status int
				FC     string
				Body   string
			}
			_ = json.Unmarshal(body, &e)
			h := message.Header{}
			if e.FC != "" {
				h.Add("x-fc-status", e.FC)
			}
			message.Answer(x, e.Status, h, []byte(e.Body))
		})
		for _, o := range []struct{ event, kind, payload string }{
			{`{"status":500}`, "HTTP500", `{"errorMessage":"the program answered with status 500","errorType":"HTTP500","stackTrace":[]}`},
			{`{"status":404,"fc":"404","body":"plain"}`, "HTTP404", `{"errorMessage":"plain","errorType":"HTTP404","stackTrace":[]}`},
			{`{"status":200,"fc":"404","body":"{\"errorMessage\":\"m\",\"errorType\":\"My Error\",\"stackTrace\":[1]}"}`, "My_Error", `{"errorMessage":"m","errorType":"My Error","stackTrace":[1]}`},
			{`{"status":404,"fc":"200","body":"fine"}`, "", "fine"},
			{`{"status":201,"body":"fine"}`, "", "fine"},
		} {
			r := c.invoke(lambdatest.Event{Payload: []byte(o.event)})
			if r.ErrorType != o.kind || string(r.Payload) != o.payload || r.Streamed != (stream && o.kind == "") {
				t.Errorf("%s: %q %s, streamed %v", o.event, r.ErrorType, r.Payload, r.Streamed)
			}
		}
	}
}

func TestHTTP(t *testing.T) {
	for _, stream := range []bool{false, true} {
		c := run(t, Options{Stream: stream, Getenv: getenv}, lambdatest.Options{}, describe)
		for _, from := range lambdatest.Senders {
			name := fmt.Sprintf("%s, stream %v", from, stream)
			h := http.Header{"X-Two": {"1", "2"}, "Cookie": {"a=1; b=2"}, "Host": {"h.example.com"}, "X-Fc-Region": {"evil"}, "Connection": {"close"}}
			r := c.invoke(lambdatest.Event{Payload: from.Request("PUT", "/p/%C3%A9%20x?a=1&b=%26%20+&b=3", h, []byte("body \xc3\xa9"))})
			answer, err := from.Response(r)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			var got described
			if err := json.Unmarshal(answer.Body, &got); err != nil {
				t.Fatalf("%s: %v %q", name, err, answer.Body)
			}
			two := map[lambdatest.Sender]string{lambdatest.FunctionURL: "1,2", lambdatest.HTTPAPI: "1,2", lambdatest.LoadBalancer: "2"}[from]
			if two == "" {
				two = "1 2"
			}
			query := "a=1&b=%26%20+&b=3"
			switch from {
			case lambdatest.RESTAPI:
				query = "a=1&b=%26++&b=3"
			case lambdatest.LoadBalancer:
				query = "a=1&b=3"
			}
			wantPath := "/p/%C3%A9%20x"
			if got.Method != "PUT" || got.Path != wantPath || got.Query != query || got.Body != "body é" || got.Length != 7 ||
				strings.Join(got.Fields["x-two"], " ") != two || strings.Join(got.Fields["cookie"], "|") != "a=1; b=2" || strings.Join(got.Fields["host"], "|") != "h.example.com" ||
				strings.Join(got.Fields["x-fc-region"], "|") != "us-test-1" || got.Fields["connection"] != nil || got.Fields["x-fc-control-path"][0] != "/http-invoke" {
				t.Errorf("%s: %+v", name, got)
			}
			cookies := 2
			if from == lambdatest.LoadBalancer {
				cookies = 1
			}
			if answer.Status != 200 || len(answer.Header["Set-Cookie"]) != cookies || strings.Join(answer.Header["X-One"], ", ") != "1, 2" || answer.Header["X-Fc-Status"] != nil {
				t.Errorf("%s: %+v", name, answer)
			}
			if r.Streamed != (stream && from != lambdatest.LoadBalancer && from != lambdatest.MultiValue) {
				t.Errorf("%s: streamed %v", name, r.Streamed)
			}
			for path, want := range map[string]string{"/bytes": "\xff\x00", "/gzip": "text", "/missing": "<none>", "/empty": ""} {
				r := c.invoke(lambdatest.Event{Payload: from.Request("GET", path, nil, nil)})
				answer, err := from.Response(r)
				if err != nil || string(answer.Body) != want {
					t.Errorf("%s: %s: %v %+v", name, path, err, answer)
				}
			}
			raw := c.invoke(lambdatest.Event{Payload: from.Request("POST", "/raw", nil, []byte("\xff\x00\x01"))})
			if answer, err := from.Response(raw); err != nil || !strings.Contains(string(answer.Body), `"length":3`) {
				t.Errorf("%s: bytes: %v %+v", name, err, answer)
			}
		}
	}
}

func TestBrokenAnswers(t *testing.T) {
	c := run(t, Options{}, lambdatest.Options{}, describe)
	from := lambdatest.FunctionURL
	for path, kind := range map[string]string{"/abort": "AnswerBrokenOff", "/nothing": "AnswerBrokenOff", "/short": "AnswerBrokenOff", "/big": "Function.ResponseSizeTooLarge"} {
		if r := c.invoke(lambdatest.Event{Payload: from.Request("GET", path, nil, nil)}); r.ErrorType != kind {
			t.Errorf("%s: %+v", path, r)
		}
	}
	c = run(t, Options{Stream: true}, lambdatest.Options{}, describe)
	r := c.invoke(lambdatest.Event{Payload: from.Request("GET", "/abort", nil, nil)})
	if !r.Streamed || r.ErrorType != "AnswerBrokenOff" || !strings.Contains(string(r.Error), `"errorMessage"`) || !strings.HasSuffix(string(r.Payload), "\x00half") {
		t.Errorf("%+v", r)
	}
	r = c.invoke(lambdatest.Event{Payload: from.Request("GET", "/big", nil, nil), Timeout: 20 * time.Second})
	if answer, err := from.Response(r); err != nil || len(answer.Body) != 7<<20 {
		t.Errorf("%v", err)
	}
	if r := c.invoke(lambdatest.Event{Payload: from.Request("GET", "/nothing", nil, nil)}); r.ErrorType != "AnswerBrokenOff" || r.Streamed {
		t.Errorf("%+v", r)
	}
	bad := []byte(`{"version":"2.0","rawPath":"/","isBase64Encoded":true,"body":"%","requestContext":{"http":{"method":"GET"}}}`)
	if r := c.invoke(lambdatest.Event{Payload: bad}); r.ErrorType != "InvalidEvent" {
		t.Errorf("%+v", r)
	}
}

// TestStreamComesEarly has the first part of an answer arrive before its end.
func TestStreamComesEarly(t *testing.T) {
	var flushed time.Time
	var pause time.Duration
	c := run(t, Options{Stream: true}, lambdatest.Options{}, func(x message.Exchange) {
		_ = x.Head(message.Head{Status: 200, Length: -1})
		_, _ = io.WriteString(x, "first")
		_ = x.Flush()
		time.Sleep(pause)
		flushed = time.Now()
		_, _ = io.WriteString(x, "second")
		_ = x.End(nil)
	})
	early := false
	for pause = 100 * time.Millisecond; !early && pause < 10*time.Second; pause *= 4 { // a busy machine may need more
		r := c.invoke(lambdatest.Event{Payload: []byte(`{}`)})
		if !r.Streamed || string(r.Payload) != "firstsecond" {
			t.Fatalf("%+v", r)
		}
		early = r.First.Before(flushed)
	}
	if !early {
		t.Error("the first part comes with the last")
	}
}

func TestDeadline(t *testing.T) {
	c := run(t, Options{}, lambdatest.Options{}, func(x message.Exchange) {
		gone := make(chan struct{})
		x.OnGone(func() { close(gone) })
		<-gone
		x.OnGone(nil)
		x.Abort()
	})
	for attempt := range 5 { // a busy machine may be late
		began := time.Now()
		r := c.invoke(lambdatest.Event{Payload: []byte(`{}`), Timeout: 100 * time.Millisecond})
		d := time.Since(began)
		if d < 90*time.Millisecond || r.ErrorType != "AnswerBrokenOff" && attempt == 4 || d > 900*time.Millisecond && attempt == 4 {
			t.Fatalf("%+v after %s", r, d)
		}
		if r.ErrorType == "AnswerBrokenOff" && d <= 900*time.Millisecond {
			return
		}
	}
}

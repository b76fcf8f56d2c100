package lambdatest

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// step is a request to the API and the status that it must be answered with.
type step struct {
	method, path, body string
	header             string // NAME: VALUE
	status             int
}

func (s step) send(t *testing.T, server *Server, ctx context.Context) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, s.method, "http://"+server.Addr+s.path, strings.NewReader(s.body))
	if err != nil {
		t.Fatal(err)
	}
	if name, v, ok := strings.Cut(s.header, ": "); ok {
		r.Header.Set(name, v)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, ""
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(answer.Body)
	return answer, string(body)
}

const invocations = prefix + "invocation/"

// TestStrict has the emulator refuse whatever the protocol does not allow, and
// keep that it came.
func TestStrict(t *testing.T) {
	good := `{"errorMessage":"m","errorType":"t"}`
	kind := "Lambda-Runtime-Function-Error-Type: t"
	for _, c := range []struct {
		name  string
		steps []step
		bad   int
	}{
		{"in order", []step{{"GET", invocations + "next", "", "", 200}, {"POST", invocations + "1/response", "x", "", 202}}, 0},
		{"an error", []step{{"GET", invocations + "next", "", "", 200}, {"POST", invocations + "1/error", good, kind, 202}}, 0},
		{"a poll too many", []step{{"GET", invocations + "next", "", "", 200}, {"GET", invocations + "next", "", "", 403}}, 1},
		{"an unknown event", []step{{"POST", invocations + "2/response", "x", "", 400}}, 1},
		{"an answer before its event", []step{{"POST", invocations + "1/response", "x", "", 400}}, 1},
		{"two answers", []step{{"GET", invocations + "next", "", "", 200}, {"POST", invocations + "1/response", "x", "", 202}, {"POST", invocations + "1/response", "x", "", 400}}, 1},
		{"an answer and an error", []step{{"GET", invocations + "next", "", "", 200}, {"POST", invocations + "1/response", "x", "", 202}, {"POST", invocations + "1/error", good, kind, 400}}, 1},
		{"an error of no type", []step{{"GET", invocations + "next", "", "", 200}, {"POST", invocations + "1/error", good, "", 400}}, 1},
		{"an error that is none", []step{{"GET", invocations + "next", "", "", 200}, {"POST", invocations + "1/error", "x", kind, 400}}, 1},
		{"an unknown mode", []step{{"GET", invocations + "next", "", "", 200}, {"POST", invocations + "1/response", "x", "Lambda-Runtime-Function-Response-Mode: fast", 400}}, 1},
		{"a stream that is not chunked", []step{{"GET", invocations + "next", "", "", 200}, {"POST", invocations + "1/response", "x", "Lambda-Runtime-Function-Response-Mode: streaming", 400}}, 1},
		{"too long", []step{{"GET", invocations + "next", "", "", 200}, {"POST", invocations + "1/response", strings.Repeat("x", MaxPayload+1), "", 413}}, 1},
		{"init error", []step{{"POST", prefix + "init/error", good, kind, 202}, {"POST", prefix + "init/error", good, kind, 403}}, 1},
		{"a late init error", []step{{"GET", invocations + "next", "", "", 200}, {"POST", prefix + "init/error", good, kind, 403}}, 1},
		{"another path", []step{{"GET", "/2015-03-31/functions", "", "", 404}}, 1},
		{"another method", []step{{"POST", invocations + "next", "", "", 404}}, 1},
	} {
		s := New(Options{})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		go s.Invoke(ctx, Event{ID: "1", Payload: []byte("{}")})
		for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
			s.mu.Lock()
			n := len(s.queue)
			s.mu.Unlock()
			if n == 1 || time.Now().After(end) {
				break
			}
		}
		for i, step := range c.steps {
			r, body := step.send(t, s, ctx)
			if r == nil || r.StatusCode != step.status {
				t.Errorf("%s, step %d: %v %s", c.name, i, r, body)
			}
		}
		if v := s.Violations(); len(v) != c.bad {
			t.Errorf("%s: %q", c.name, v)
		}
		cancel()
		s.Close()
	}
}

// TestSenders has answers that a sender would not take refused.
func TestSenders(t *testing.T) {
	for _, c := range []struct {
		from    Sender
		payload string
		ok      bool
	}{
		{FunctionURL, `{"statusCode":200,"headers":{"a":"b"},"cookies":["c"],"body":"x"}`, true},
		{FunctionURL, `{"statusCode":200,"multiValueHeaders":{"a":["b"]},"body":"x"}`, false},
		{FunctionURL, `{"statusCode":200,"statusDescription":"200 OK","body":"x"}`, false},
		{FunctionURL, `{"statusCode":200,"body":"x"}`, false},
		{FunctionURL, `{"statusCode":20,"headers":{},"body":"x"}`, false},
		{FunctionURL, `{"statusCode":200,"headers":{},"body":"%","isBase64Encoded":true}`, false},
		{FunctionURL, `text`, false},
		{RESTAPI, `{"statusCode":200,"multiValueHeaders":{"a":["b"]},"body":"x"}`, true},
		{RESTAPI, `{"statusCode":200,"headers":{"a":"b"},"body":"x"}`, false},
		{RESTAPI, `{"statusCode":200,"cookies":["a"],"body":"x"}`, false},
		{LoadBalancer, `{"statusCode":200,"statusDescription":"200 OK","headers":{"a":"b"},"body":""}`, true},
		{LoadBalancer, `{"statusCode":200,"headers":{"a":"b"},"body":""}`, false},
		{MultiValue, `{"statusCode":200,"statusDescription":"200 OK","headers":{"a":"b"},"body":""}`, false},
		{MultiValue, `{"statusCode":200,"statusDescription":"200 OK","multiValueHeaders":{"a":["b"]}}`, false},
	} {
		if _, err := c.from.Response(&Result{Payload: []byte(c.payload)}); (err == nil) != c.ok {
			t.Errorf("%s: %s: %v", c.from, c.payload, err)
		}
	}
	if _, err := FunctionURL.Response(&Result{Streamed: true, ContentType: "application/vnd.awslambda.http-integration-response", Payload: []byte(`{"statusCode":200}x`)}); err == nil {
		t.Error("a prelude without end was taken")
	}
}

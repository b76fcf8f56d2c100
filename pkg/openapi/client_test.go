package openapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/imgbuild/imgbuild/pkg/openapi/openapitest"
)

// answers are given one after the other, the last one for ever.
type answers struct {
	list []*http.Response
	errs []error
	n    int
}

func (a *answers) RoundTrip(*http.Request) (*http.Response, error) {
	i := min(a.n, max(len(a.list), len(a.errs))-1)
	a.n++
	if i < len(a.errs) && a.errs[i] != nil {
		return nil, a.errs[i]
	}
	r := *a.list[i]
	r.Body = io.NopCloser(strings.NewReader(r.Header.Get("X-Test-Body")))
	return &r, nil
}

func reply(status int, body string, header ...string) *http.Response {
	h := http.Header{"X-Test-Body": {body}}
	for i := 0; i < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{StatusCode: status, Header: h}
}

var errCut = errors.New("the cable is cut")

// TestTries: how often a request is sent, and how long is waited between.
func TestTries(t *testing.T) {
	busy := `{"Code":"Throttling.User"}`
	for name, tc := range map[string]struct {
		transport   *answers
		request     Request
		tries       int
		least, most time.Duration
		err         string
	}{
		"good":             {transport: &answers{list: []*http.Response{reply(200, `{}`)}}, tries: 1},
		"created":          {transport: &answers{list: []*http.Response{reply(201, `{}`)}}, tries: 1},
		"nothing to say":   {transport: &answers{list: []*http.Response{reply(204, ``)}}, tries: 1},
		"busy once":        {transport: &answers{list: []*http.Response{reply(429, busy), reply(200, `{}`)}}, tries: 2, least: 100 * time.Millisecond, most: 500 * time.Millisecond},
		"busy, later":      {transport: &answers{list: []*http.Response{reply(429, busy, "Retry-After", "7"), reply(200, `{}`)}}, tries: 2, least: 7 * time.Second, most: 8 * time.Second},
		"busy, much later": {transport: &answers{list: []*http.Response{reply(503, busy, "Retry-After", "86400"), reply(200, `{}`)}}, tries: 2, least: time.Minute, most: 61 * time.Second},
		"busy until":       {transport: &answers{list: []*http.Response{reply(503, busy, "Date", "Mon, 30 Nov 2026 10:00:00 GMT", "Retry-After", "Mon, 30 Nov 2026 10:00:09 GMT"), reply(200, `{}`)}}, tries: 2, least: 9 * time.Second, most: 10 * time.Second},
		"busy for ever":    {transport: &answers{list: []*http.Response{reply(429, busy)}}, tries: 4, least: time.Second, most: 10 * time.Second, err: "429 Throttling.User"},
		"cut once":         {transport: &answers{errs: []error{errCut, nil}, list: []*http.Response{nil, reply(200, `{}`)}}, tries: 2, least: 100 * time.Millisecond, most: 500 * time.Millisecond},
		"may have arrived": {transport: &answers{errs: []error{errCut}}, request: Request{Lost: true}, tries: 1, err: "api.example.com cannot be reached: the cable is cut"},
		"refused":          {transport: &answers{list: []*http.Response{reply(403, `{"Code":"NoPermission","Message":"not\nallowed"}`)}}, tries: 1, err: "403 NoPermission: not allowed"},
		"nonce was used":   {transport: &answers{list: []*http.Response{reply(400, `{"Code":"SignatureNonceUsed"}`), reply(200, `{}`)}}, tries: 2, least: 100 * time.Millisecond, most: 500 * time.Millisecond},
		"its own rule":     {transport: &answers{list: []*http.Response{reply(409, `{"Code":"Busy"}`), reply(200, `{}`)}}, request: Request{Again: func(e *Refusal) bool { return e.Has("busy") }}, tries: 2, least: 100 * time.Millisecond, most: 500 * time.Millisecond},
		"no JSON":          {transport: &answers{list: []*http.Response{reply(200, `<html>`)}}, tries: 1, err: "answers 200"},
		"raw":              {transport: &answers{list: []*http.Response{reply(200, `<html>`)}}, request: Request{Raw: true}, tries: 1},
		"failed":           {transport: &answers{list: []*http.Response{reply(200, `{"IsSuccess":false,"Code":"X"}`)}}, tries: 1, err: "200 X"},
		"raw, failed":      {transport: &answers{list: []*http.Response{reply(200, `{"IsSuccess":false}`)}}, request: Request{Raw: true}, tries: 1},
		"huge":             {transport: &answers{list: []*http.Response{reply(200, strings.Repeat(" ", maxBody+1))}}, tries: 1, err: "too long"},
		"huge, raw":        {transport: &answers{list: []*http.Response{reply(200, strings.Repeat("x", maxBody+1))}}, request: Request{Raw: true}, tries: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &Client{Transport: tc.transport, Host: "api.example.com", Tries: 4}
				start := time.Now()
				a, err := c.Do(t.Context(), tc.request)
				if tc.err == "" && (err != nil || a == nil || len(a.Body) > maxBody) || tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err)) {
					t.Errorf("error %v; want %q", err, tc.err)
				}
				if took := time.Since(start); tc.transport.n != tc.tries || took < tc.least || took > tc.most {
					t.Errorf("%d tries in %s; want %d in %s to %s", tc.transport.n, took, tc.tries, tc.least, tc.most)
				}
			})
		})
	}
}

// TestStoppedBetweenTries: the context ends a pause with its own reason.
func TestStoppedBetweenTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stop := errors.New("stopped by a test")
		ctx, cancel := context.WithTimeoutCause(t.Context(), 3*time.Second, stop)
		defer cancel()
		c := &Client{Transport: &answers{list: []*http.Response{reply(429, `{}`, "Retry-After", "30")}}, Host: "api.example.com", Tries: 4}
		start := time.Now()
		if _, err := c.Do(ctx, Request{}); !errors.Is(err, stop) || time.Since(start) != 3*time.Second {
			t.Errorf("error %v after %s", err, time.Since(start))
		}
	})
}

// TestSecretsInMessages: the platform's message is shown, but nothing of keys.
func TestSecretsInMessages(t *testing.T) {
	for code, shown := range map[string]bool{
		"InvalidArgument": true, "AccessDenied": true,
		"SignatureDoesNotMatch": false, "SignatureNotMatch": false, "IncompleteSignature": false, "InvalidAccessKeyID": false, "InvalidSecurityToken.Expired": false, "SignatureNonceUsed": false, "": false,
	} {
		body := fmt.Sprintf(`{"Code":%q,"Message":"s3cret of LTAI-1 with tok3n \u001b[31mand a quoted thing"}`, code)
		c := &Client{Transport: &answers{list: []*http.Response{reply(400, body)}}, Host: "api.example.com", Key: Key{"LTAI-1", "s3cret", "tok3n"}}
		_, err := c.Do(t.Context(), Request{})
		if err == nil || strings.Contains(err.Error(), "a quoted thing") != shown {
			t.Errorf("%s: error %v", code, err)
		}
		for _, s := range []string{"s3cret", "tok3n", "LTAI", "\x1b"} {
			if err != nil && strings.Contains(err.Error(), s) {
				t.Errorf("%s: the error shows %q: %v", code, s, err)
			}
		}
		if text := fmt.Sprintf("%v %+v", c.Key, &c.Key); strings.Contains(text, "s3cret") {
			t.Errorf("the key is printed as %s", text)
		}
	}
}

// TestSigned: a body, its type and a query, as an endpoint sees them.
func TestSigned(t *testing.T) {
	v := openapitest.NewVerifier()
	v.Tokens[openapitest.ID] = "tok3n"
	seen := 0
	tr := openapitest.Anywhere(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if code, canonical := v.Check(r, body); code != "" {
			openapitest.Refuse(w, 403, code, canonical)
			return
		}
		if string(body) == "spoiled" {
			t.Error("not what was signed")
		}
		seen++
		io.WriteString(w, "{}")
	}))
	c := &Client{Transport: tr, Host: "api.example.com", Version: "2023-03-30", Key: Key{openapitest.ID, openapitest.Secret, "tok3n"}}
	for _, r := range []Request{
		{Method: "GET", Path: "/2023-03-30/functions", Action: "ListFunctions"},
		{Method: "POST", Path: "/2023-03-30/functions", Action: "CreateFunction", Body: []byte(`{"a":"ä"}`), ContentType: "application/json"},
		{Method: "PUT", Path: "/x y/z", Action: "X", Query: map[string][]string{"b": {"2 3"}, "a": {"~*"}}, Header: map[string]string{"X-Acs-More": "m"}},
	} {
		if _, err := c.Do(t.Context(), r); err != nil {
			t.Errorf("%s %s: %v", r.Method, r.Path, err)
		}
	}
	c.Key.Secret = "another"
	if _, err := c.Do(t.Context(), Request{Method: "GET", Path: "/"}); err == nil || !strings.Contains(err.Error(), "403 SignatureDoesNotMatch") {
		t.Errorf("with a wrong secret: %v", err)
	}
	if seen != 3 {
		t.Errorf("%d requests came through", seen)
	}
}

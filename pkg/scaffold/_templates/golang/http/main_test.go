package main

import (
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHandler(t *testing.T) {
	for _, c := range []struct {
		method, path, body string
		status             int
		answer             string
	}{
		{"GET", "/hello/Serverless", "", 200, "{\"message\":\"hello, Serverless\"}\n"},
		{"POST", "/echo", "a body", 200, "a body"},
		{"GET", "/nowhere", "", 404, "404 page not found\n"},
		{"PUT", "/echo", "a body", 405, "Method Not Allowed\n"},
	} {
		w := httptest.NewRecorder()
		handler().ServeHTTP(w, httptest.NewRequest(c.method, c.path, strings.NewReader(c.body)))
		if w.Code != c.status || w.Body.String() != c.answer {
			t.Errorf("%s %s gives %d %q, want %d %q", c.method, c.path, w.Code, w.Body, c.status, c.answer)
		}
	}
}

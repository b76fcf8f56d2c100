package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestInvoke(t *testing.T) {
	for _, c := range []struct {
		event  string
		status int
		answer string
	}{
		{`"Serverless"`, 200, "\"hello, Serverless\"\n"},
		{`""`, 404, "{\"errorMessage\":\"the event names nobody\"}\n"},
		{`{`, 404, "{\"errorMessage\":\"the event is no name in JSON: unexpected end of JSON input\"}\n"},
	} {
		w := httptest.NewRecorder()
		handler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/invoke", strings.NewReader(c.event)))
		if w.Code != c.status || w.Body.String() != c.answer {
			t.Errorf("%s gives %d %q, want %d %q", c.event, w.Code, w.Body, c.status, c.answer)
		}
	}
}

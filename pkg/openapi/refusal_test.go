package openapi

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func FuzzRefusal(f *testing.F) {
	f.Add(400, []byte(`{"Code":"SignatureDoesNotMatch","RequestId":"0A1B","Message":"x-acs-security-token:t"}`), "1")
	f.Add(429, []byte(`{"errorCode":"ResourceThrottled","errorMessage":"later"}`), "Mon, 30 Nov 2026 10:00:00 GMT")
	f.Add(200, []byte(`{"IsSuccess":false,"Code":7,"RequestId":[]}`), "-1")
	f.Add(500, []byte(`<html>`), "99999999999999999999")
	f.Fuzz(func(t *testing.T, status int, body []byte, after string) {
		header := http.Header{"Retry-After": {after}, "Date": {"Mon, 30 Nov 2026 09:00:00 GMT"}}
		for _, raw := range []bool{false, true} {
			e := parseRefusal(&http.Response{StatusCode: status, Header: header}, body, raw)
			if e == nil {
				continue
			}
			if text := e.Error(); len(text) > 600 || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0x9b }) {
				t.Errorf("it is told as %q", text)
			}
			if e.RetryAfter < 0 {
				t.Errorf("a pause of %s", e.RetryAfter)
			}
			e.KeyProblem(time.Now())
		}
	})
}

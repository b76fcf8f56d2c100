package push

import (
	"net/http"
	"testing"
	"time"
)

func TestRetryAfterHeader(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		value, date string
		want        time.Duration
	}{
		{"", "", 0}, {"0", "", 0}, {" 30 ", "", 30 * time.Second}, {"-1", "", 0}, {"1.5", "", 0}, {"soon", "", 0},
		{"99999999999", "", 0},
		{"Fri, 01 May 2026 12:00:20 GMT", "", 20 * time.Second},
		{"Fri, 01 May 2026 11:00:00 GMT", "", 0},
		// A registry, or a machine, whose clock is an hour wrong.
		{"Fri, 01 May 2026 13:00:20 GMT", "Fri, 01 May 2026 13:00:00 GMT", 20 * time.Second},
		{"Fri, 01 May 2026 11:00:20 GMT", "Fri, 01 May 2026 11:00:00 GMT", 20 * time.Second},
	} {
		h := http.Header{"Retry-After": {tc.value}}
		if tc.date != "" {
			h.Set("Date", tc.date)
		}
		if got := retryAfter(&http.Response{Header: h}, now); got != tc.want {
			t.Errorf("%q at %q: %s; want %s", tc.value, tc.date, got, tc.want)
		}
	}
}

package fetch

import (
	"net/http"
	"testing"
	"time"
)

func TestContentRange(t *testing.T) {
	for v, want := range map[string]int64{ // size where the range goes on at 100; 0 where it does not
		"bytes 100-199/200":                  200,
		"bytes 100-199/*":                    -1,
		"bytes 99-199/200":                   0,
		"bytes 1000-199/200":                 0,
		"bytes */200":                        0,
		"bytes 100-199":                      0,
		"bytes 100/200":                      0,
		"bytes 100-199/-5":                   0,
		"bytes 100-199/99999999999999999999": 0,
		"bits 100-199/200":                   0,
		"":                                   0,
		"multipart/byteranges; boundary=THIS_STRING": 0,
	} {
		total, ok := continues(http.Header{"Content-Range": {v}}, 100)
		if ok != (want != 0) || ok && total != want {
			t.Errorf("%q: %d, %t; want %d", v, total, ok, want)
		}
	}
}

func TestParseRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for v, want := range map[string]time.Duration{
		"":                              0,
		"0":                             0,
		"7":                             7 * time.Second,
		" 7 ":                           7 * time.Second,
		"-7":                            0,
		"Fri, 02 Jan 2026 03:05:05 GMT": time.Minute,
		"Fri, 02 Jan 2026 03:03:05 GMT": 0,
		"soon":                          0,
	} {
		if got := parseRetryAfter(v, now); got != want {
			t.Errorf("%q: %s, want %s", v, got, want)
		}
	}
}

// FuzzHeaders: no header of a mirror's makes a pause or a size negative.
func FuzzHeaders(f *testing.F) {
	f.Add("7", "bytes 100-199/200", int64(100))
	f.Add("Fri, 02 Jan 2026 03:05:05 GMT", "bytes 0-0/*", int64(0))
	f.Fuzz(func(t *testing.T, retry, span string, offset int64) {
		if d := parseRetryAfter(retry, time.Now()); d < 0 {
			t.Errorf("%q: %s", retry, d)
		}
		if total, ok := continues(http.Header{"Content-Range": {span}}, offset); ok && total < -1 {
			t.Errorf("%q: %d", span, total)
		}
	})
}

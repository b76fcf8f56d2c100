package push

import "testing"

func TestParseRange(t *testing.T) {
	for v, want := range map[string]int64{"0-0": 1, "0-1048575": 1 << 20, "bytes=0-9": 10, " 0-5 ": 6} {
		if got, ok := parseRange(v); got != want || !ok {
			t.Errorf("%q: %d, %v", v, got, ok)
		}
	}
	for _, v := range []string{"", "0", "0-", "1-2", "-1", "0--1", "0-x", "0-99999999999999999999"} {
		if got, ok := parseRange(v); ok {
			t.Errorf("%q: %d", v, got)
		}
	}
}

func FuzzParseRange(f *testing.F) {
	f.Add("0-1048575")
	f.Add("bytes=0-0")
	f.Fuzz(func(t *testing.T, v string) {
		if n, ok := parseRange(v); ok && n < 1 {
			t.Errorf("%q: %d bytes", v, n)
		}
	})
}

package catalogue

import (
	"strings"
	"testing"
)

func TestShorten(t *testing.T) {
	long := strings.Repeat("x", 60)
	for license, want := range map[string]struct {
		short string
		more  int
	}{
		"":                                 {"", 0},
		"MIT AND ISC AND Zlib":             {"", 0},
		long + "-and-no-list-" + long:      {"", 0},
		"MIT AND " + long:                  {"", 0},
		"MIT AND ISC AND " + long:          {"MIT AND ISC", 1},
		long + " AND MIT AND ISC AND Zlib": {long, 3},
		"(MIT OR Zlib AND ISC) AND curl AND " + long + " AND A": {"(MIT OR Zlib AND ISC) AND curl", 2},
		"(A AND (B OR C AND D)) OR (" + long + " AND E)":        {"", 0},
		"((( AND " + long + " AND ((( AND x":                    {"", 0},
	} {
		short, more := shorten(license)
		if short != want.short || more != want.more {
			t.Errorf("%s: %q and %d more, not %q and %d", license, short, more, want.short, want.more)
		}
	}
}

func TestBytesText(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1 kB", 625519: "626 kB", 85110336: "85.1 MB", 1 << 30: "1.07 GB", -23456: "-23 kB"} {
		if got := bytesText(n); got != want {
			t.Errorf("%d is %s, not %s", n, got, want)
		}
	}
}

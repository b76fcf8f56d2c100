package gotoolchain

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/input/inputtest"
	"github.com/imgbuild/imgbuild/pkg/lock"
)

// mirror lists toolchains "1.27.3 linux/amd64"; a line that begins with "-" is
// in the list, but its zip is not there.
func mirror(lines ...string) *inputtest.Memory {
	m := &inputtest.Memory{Files: map[string]string{}}
	var list strings.Builder
	for _, l := range lines {
		l, absent := strings.CutPrefix(l, "-")
		version, platform, _ := strings.Cut(l, " ")
		fmt.Fprintln(&list, moduleVersion(version, platform))
		if !absent {
			m.Files["go:"+zipPath(version, platform)] = "zip"
		}
	}
	m.Files["go:golang.org/toolchain/@v/list"] = list.String()
	return m
}

func TestNewest(t *testing.T) {
	m := mirror(
		"1.9.2 linux/amd64", "1.26.10 linux/amd64", "1.26.9 linux/amd64", "1.26.9 linux/arm64", "1.26.10 linux/arm64", "-1.26.11 linux/arm64", "1.26.11 linux/amd64",
		"1.27.3 linux/amd64", "1.27.3 linux/arm64", "1.27.4 linux/amd64", "1.27.10 windows/amd64", "1.27.9-custom linux/amd64",
		"1.28rc1 linux/amd64", "1.28rc1 linux/arm64", "1.2.7 linux/amd64",
	)
	m.Files["go:golang.org/toolchain/@v/list"] += "v0.0.1-go1.27.99.linux\nnonsense\n\nv0.0.2-go1.27.99.linux-amd64\n"
	both := []string{"linux/amd64", "linux/arm64"}
	for _, tc := range []struct {
		series    string
		platforms []string
		want      string
	}{
		{"1.27", both, "1.27.3"},
		{"1.27", both[:1], "1.27.4"},
		{"1.26", both, "1.26.10"}, // 1.26.11 is listed, its zip refused
		{"1.26.9", both, "1.26.9"},
		{"1.2", both[:1], "1.2.7"},
		{"1.28", both, ""},
		{"1.27.4", both, ""},
		{"1", both, ""},
		{"", both, ""},
	} {
		got, err := Newest(t.Context(), m, tc.series, tc.platforms)
		if got != tc.want || (err == nil) != (tc.want != "") {
			t.Errorf("newest %q for %q: %q, %v, want %q", tc.series, tc.platforms, got, err, tc.want)
		}
	}
	series, err := Series(t.Context(), m)
	if want := []string{"1.27", "1.26", "1.9", "1.2"}; err != nil || !slices.Equal(series, want) {
		t.Errorf("series %q, %v, want %q", series, err, want)
	}
	if _, err := Series(t.Context(), mirror()); err == nil {
		t.Error("an empty list is no error")
	}
}

func TestPaths(t *testing.T) {
	in := lock.Input{Version: "1.27.3", Path: zipPath("1.27.3", "linux/arm64")}
	if got, err := platformOf(in); err != nil || got != "linux/arm64" {
		t.Errorf("platform %q, %v", got, err)
	}
	in.Version = "1.27.4"
	if _, err := platformOf(in); err == nil {
		t.Error("a path of another version is no error")
	}
	for _, bad := range [][2]string{{"1.27", "linux/amd64"}, {"1.27.3 x", "linux/amd64"}, {"1.27.3", "linux"}, {"1.27.3", "linux/a/b"}, {"1.27.3", "-x/y"}, {"1.27.3", "linux/amd64@v1"}} {
		if check(bad[0], bad[1]) == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func FuzzParseList(f *testing.F) {
	f.Add("v0.0.1-go1.27.3.linux-amd64\nv0.0.1-go1.28rc1.linux-arm64\n")
	f.Add("v0.0.1-go99999.1.1.linux-amd64")
	f.Fuzz(func(t *testing.T, s string) {
		for _, o := range parseList([]byte(s)) {
			if err := check(o.release.String(), o.platform); err != nil {
				t.Fatal(err)
			}
		}
	})
}

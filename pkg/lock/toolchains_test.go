package lock

import (
	"slices"
	"strings"
	"testing"
)

// TestToolchains: a Go that came out for one machine only compiles no shim yet.
func TestToolchains(t *testing.T) {
	for ids, want := range map[string]string{
		"go:1.26.10/linux-amd64 go:1.26.10/linux-arm64 go:1.26.9/linux-amd64 go:1.26.9/linux-arm64": "go:1.26.10/linux-amd64 go:1.26.10/linux-arm64",
		"go:1.27.3/linux-amd64 go:1.27.3/linux-arm64 go:1.27.4/linux-amd64":                         "go:1.27.3/linux-amd64 go:1.27.3/linux-arm64",
		"go:1.27.3/linux-amd64 go:1.27.4/linux-arm64":                                               "",
		"go:1.27.3/linux-amd64 go:1.27.4/linux-amd64":                                               "go:1.27.4/linux-amd64",
		"": "",
	} {
		l := &Lock{}
		for _, id := range strings.Fields(ids) {
			version, _, _ := strings.Cut(strings.TrimPrefix(id, "go:"), "/")
			l.Inputs = append(l.Inputs, Input{ID: id, Kind: KindGo, Version: version})
		}
		l.Inputs = append(l.Inputs, Input{ID: "npm:x@9.0.0", Kind: KindNPM, Version: "9.0.0"})
		var got []string
		for _, in := range l.Toolchains() {
			got = append(got, in.ID)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("of %s these: %s, want %s", ids, got, want)
		}
		in, ok := l.Toolchain("linux/arm64")
		if ok != strings.Contains(want, "arm64") || ok && !slices.Contains(got, in.ID) {
			t.Errorf("of %s for linux/arm64: %s", ids, in.ID)
		}
	}
}

package mirror

import (
	"strings"
	"testing"
)

func TestGoproxy(t *testing.T) {
	goenv := map[string]string{"home/user/.config/go/env": "GOFLAGS=-x\nGOPROXY=https://file.example|https://second.example\n"}
	for _, tt := range []struct {
		name       string
		files      map[string]string
		environ    []string
		want, from string
	}{
		{"client", nil, nil, "https://client.example", "go env GOPROXY"},
		{"file", goenv, nil, "https://file.example https://second.example", "Go's configuration (/home/user/.config/go/env)"},
		{"variable", goenv, []string{"GOPROXY=direct,https://u:p@env.example/x/,off"}, "https://env.example/x", "GOPROXY"},
		{"file elsewhere", map[string]string{"x": "GOPROXY=https://x.example"}, []string{"GOENV=ROOT/x"}, "https://x.example", "Go's configuration (/x)"},
		{"file under XDG", map[string]string{"c/go/env": "GOPROXY=https://x.example"}, []string{"XDG_CONFIG_HOME=ROOT/c"}, "https://x.example", "Go's configuration (/c/go/env)"},
		{"no file", goenv, []string{"GOENV=off"}, "https://client.example", "go env GOPROXY"},
		{"no proxy", goenv, []string{"GOPROXY=off"}, publicURLs[Go], "Alibaba Cloud's public mirror"},
		{"direct", goenv, []string{"GOPROXY=direct"}, publicURLs[Go], "Alibaba Cloud's public mirror"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t, tt.files, tt.environ, map[string]string{"go": "https://client.example,direct"})
			if urls, from := f.bases(t, f.mirrors(t, nil), Go); urls != tt.want || from != tt.from {
				t.Errorf("%s, from %s; want %s, from %s", urls, from, tt.want, tt.from)
			}
		})
	}
	f := newFake(t, nil, []string{"GOPROXY=https://user:hunter2%zz@x.example"}, nil)
	_, err := f.mirrors(t, nil).Bases(t.Context(), Go)
	if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "finding the mirror of go: GOPROXY: ") {
		t.Error(err)
	}
}

func TestRedact(t *testing.T) {
	for raw, want := range map[string]string{
		"https://a.example/x":             "https://a.example/x",
		"https://user:hunter2@a.example/": "https://xxxxx@a.example/",
		"https://hunter2@a.example/":      "https://xxxxx@a.example/",
		"https://a.example/?sig=hunter2":  "https://a.example/?xxxxx",
		"https://user:hunter2%@a.example": "…@a.example",
		"user:hunter2@a.example":          "…@a.example",
		"https://u:hunter2@b@a.example":   "https://xxxxx@a.example",
		"not a url":                       "not%20a%20url",
	} {
		if got := Redact(raw); got != want {
			t.Errorf("Redact(%q) = %q, want %q", raw, got, want)
		}
	}
}

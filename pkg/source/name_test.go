package source_test

import (
	"os"
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/source"
)

func TestParse(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.Mkdir("golang", 0o755); err != nil {
		t.Fatal(err)
	}
	for s, want := range map[string]source.Name{
		"golang":                                {Path: "golang"},
		"golang:1.27":                           {Path: "golang", Image: "1.27"},
		"golang:node:24":                        {Path: "golang", Image: "node:24"},
		dir + "/golang:1":                       {Path: dir + "/golang", Image: "1"},
		"registry.example.com/base/golang:1.27": {},
	} {
		got, err := source.Parse(s)
		if err != nil || got.Path != want.Path || got.Image != want.Image || got.String() != s {
			t.Errorf("%s: %+v, %v", s, got, err)
		}
	}
	for s, want := range map[string]string{
		"missing.tar":              "there is no OCI layout missing.tar",
		"./missing:1":              "there is no OCI layout ./missing",
		"node":                     "there is none of this name",
		"golang@sha256:0":          "not a digest",
		"registry.example.com/a":   "has no tag and no digest",
		"registry.example.com/a:.": "tag",
	} {
		if _, err := source.Parse(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v; want one with %q", s, err, want)
		}
	}
}

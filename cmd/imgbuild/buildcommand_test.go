package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/imgbuild/imgbuild/pkg/dockerfile"
)

func TestParseNames(t *testing.T) {
	for _, c := range []struct {
		tags []string
		dir  string
		want []string // HOST NAME PRINTED TAGS
	}{
		{nil, "/home/me/My Function_2", []string{" my-function-2 latest latest"}},
		{nil, "https://git.example.com/team/hello.git#main:sub", []string{" hello latest latest"}},
		{nil, "https://example.com/hello.tar.gz?x=y", []string{" hello latest latest"}},
		{[]string{"a"}, ".", []string{" a latest latest"}},
		{[]string{"team/a:1", "team/a:2", "b"}, ".", []string{" team/a 1 1,2", " b latest latest"}},
		{[]string{"registry.example.com/team/a:1"}, ".", []string{"registry.example.com team/a 1 1"}},
		{[]string{"127.0.0.1:5000/a"}, ".", []string{"127.0.0.1:5000 a latest latest"}},
		{[]string{"localhost/a", "embedded/a"}, ".", []string{"localhost a latest latest", "embedded a latest latest"}},
	} {
		names, err := parseNames(c.tags, c.dir)
		if err != nil {
			t.Errorf("%v in %s: %v", c.tags, c.dir, err)
			continue
		}
		var got []string
		for _, n := range names {
			got = append(got, fmt.Sprintf("%s %s %s %s", n.host, n.name, n.tag, strings.Join(n.tags, ",")))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%v in %s: %q, want %q", c.tags, c.dir, got, c.want)
		}
	}
	for _, tags := range [][]string{{""}, {":1"}, {"a:"}, {"A"}, {"a:b:c"}, {"a@sha256:1"}, {"http://example.com/a"}, {"example.com:x/a"}, {"a", "a:latest"}} {
		if _, err := parseNames(tags, "."); exitCode(err) != exitUsage {
			t.Errorf("%q: %v", tags, err)
		}
	}
}

// Platforms have one name each, whatever they were called.
func TestCheckPlatforms(t *testing.T) {
	got, err := checkPlatforms([]string{"linux/arm64/v8", "linux/x86_64", "linux/aarch64", "linux/amd64", "linux/arm/v7", "linux/amd64/v3"})
	if want := []string{"linux/arm64", "linux/amd64", "linux/arm/v7", "linux/amd64/v3"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
	for _, given := range [][]string{nil, {""}, {"linux"}, {"linux/amd64/v1/x"}, {"Linux/AMD64"}, {"linux/amd64,"}} {
		if _, err := checkPlatforms(given); exitCode(err) != exitUsage {
			t.Errorf("%q: %v", given, err)
		}
	}
}

func TestTakeWritings(t *testing.T) {
	images, files, err := takeWritings([]string{"type=oci,dest=a.tar", "out", "-", "type=local,dest=b", "dest=c.tar,type=tar", "type=docker,dest=-"})
	if err != nil || !slices.Equal(images, []string{"type=oci,dest=a.tar", "type=docker,dest=-"}) {
		t.Errorf("%q, %v", images, err)
	}
	if want := []writing{{dest: "out"}, {dest: "-", tar: true}, {dest: "b"}, {dest: "c.tar", tar: true}}; !slices.Equal(files, want) {
		t.Errorf("%+v", files)
	}
	for _, s := range []string{"", "type=local", "type=local,dest=-", "type=tar", "type=local,dest=x,mode=delete"} {
		if _, _, err := takeWritings([]string{s}); exitCode(err) != exitUsage {
			t.Errorf("%q: %v", s, err)
		}
	}
}

// Files that go to standard output have it for themselves, and --plan writes none.
func TestDeliveryOfFiles(t *testing.T) {
	d := &delivery{trees: []writing{{dest: "out"}, {dest: "-", tar: true}}}
	if err := d.check(); err != nil || !d.toStdout() {
		t.Errorf("%v, to standard output: %v", err, d.toStdout())
	}
	var stdout bytes.Buffer
	g := &global{stdout: &stdout, stderr: devNull(t), json: true}
	if err := d.print(g, nil, nil); err != nil || stdout.Len() > 0 {
		t.Errorf("%q, %v", stdout.String(), err)
	}
	g.stdout = &stdout
	if err := new(delivery).print(g, nil, nil); err != nil || stdout.String() != "[]\n" {
		t.Errorf("%q, %v", stdout.String(), err)
	}
	for want, d := range map[string]*delivery{
		"--plan sends and writes nothing":  {trees: []writing{{dest: "out"}}, push: true, plan: true, registries: []string{"127.0.0.1:5050"}},
		"standard output, which takes one": {trees: []writing{{dest: "-", tar: true}}, outputs: []string{"type=docker,dest=-"}},
	} {
		if err := d.check(); exitCode(err) != exitUsage || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func devNull(t *testing.T) *os.File {
	t.Helper()
	f, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// Where one file cannot be made, the others are taken away again.
func TestFilesThatCannotBe(t *testing.T) {
	dir := t.TempDir()
	store := t.TempDir()
	t.Setenv("IMGBUILD_STORE", store)
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM scratch\nCOPY Dockerfile /\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	a := &appFlags{}
	a.register(pflag.NewFlagSet("", pflag.ContinueOnError))
	a.out.outputs = []string{"type=tar,dest=" + filepath.Join(out, "one.tar"), "type=tar,dest=" + filepath.Join(out, "none", "two.tar")}
	err := a.run(t.Context(), &global{stdout: io.Discard, stderr: devNull(t), progress: "auto"}, dir)
	if err == nil || !strings.Contains(err.Error(), "two.tar") {
		t.Errorf("got %v", err)
	}
	if left, err := os.ReadDir(out); err != nil || len(left) > 0 {
		t.Errorf("left there: %v, %v", left, err)
	}
}

// What a Dockerfile would fetch is refused before any builder is asked.
func TestGoOffline(t *testing.T) {
	build := func(args ...string) (*dockerfile.Build, error) {
		a := &appFlags{}
		f := pflag.NewFlagSet("", pflag.ContinueOnError)
		a.register(f)
		if err := f.Parse(args); err != nil {
			t.Fatal(err)
		}
		b, err := a.dockerfile.build(f.Arg(0), []string{defaultPlatform})
		if err != nil {
			t.Fatal(err)
		}
		return b, a.dockerfile.goOffline(b)
	}
	for _, args := range [][]string{{"."}, {".", "--network", "none"}, {".", "--build-context", "a=."}, {".", "--cache-to", "type=local,dest=x"}} {
		if b, err := build(args...); err != nil || !b.Offline || b.Network != "none" {
			t.Errorf("%q: %+v, %v", args, b, err)
		}
	}
	for _, args := range [][]string{
		{"https://example.com/a.git"}, {".", "--build-context", "a=https://example.com/a.git"}, {".", "--cache-from", "example.com/cache"},
		{".", "--network", "host"}, {".", "--network", "default"},
	} {
		if _, err := build(args...); exitCode(err) != exitUsage || !strings.Contains(err.Error(), "--offline") {
			t.Errorf("%q: %v", args, err)
		}
	}
}

// Only what can be an image of a definition is taken from one.
func TestLocalBases(t *testing.T) {
	b := &baseFlags{mode: basesMissing, registries: []string{"registry.example.com/base"}}
	l, err := b.open(&global{})
	if err != nil {
		t.Fatal(err)
	}
	digest := "@sha256:" + strings.Repeat("0", 64)
	for ref, want := range map[string]bool{
		"registry.cn-hangzhou.aliyuncs.com/ns/golang:1.27":                   true,
		"registry-vpc.cn-hangzhou.aliyuncs.com/ns/golang:1.27-slim":          true,
		"registry-intl.ap-southeast-1.aliyuncs.com/ns/node:latest":           true,
		"crpi-abc.cn-hangzhou.personal.cr.aliyuncs.com/ns/typescript:slim":   true,
		"crpi-abc-vpc.cn-hangzhou.personal.cr.aliyuncs.com/ns/golang:latest": true,
		"mine-registry.cn-hangzhou.cr.aliyuncs.com/ns/golang:1.27":           true,
		"127.0.0.1:5050/golang:1.27":                                         true,
		"registry.example.com/base/golang:1.27":                              true,
		"registry.example.com/other/golang:1.27":                             false,
		"docker.io/library/golang:1.27":                                      false,
		"quay.io/ns/golang:1.27":                                             false,
		"127.0.0.1:5050/golang:0.1":                                          false,
		"127.0.0.1:5050/ruby:latest":                                         false,
		"127.0.0.1:5050/golang:1.27" + digest:                                false,
		"registry.cn-hangzhou.aliyuncs.com.example.com/ns/golang:1.27":       false,
		"127.0.0.1:5050/golang/extra:1.27":                                   false,
	} {
		if got := l.Has(ref); got != want {
			t.Errorf("%s: %v", ref, got)
		}
	}
	if hint := l.Hint("127.0.0.1:5050/golang:0.1"); !strings.Contains(hint, "it has 1.27") {
		t.Errorf("hint %q", hint)
	}
	if hint := l.Hint("docker.io/library/golang:0.1"); hint != "" {
		t.Errorf("hint %q", hint)
	}
	b.mode = ""
	if l.Has("127.0.0.1:5050/golang:1.27") || !strings.Contains(l.Hint("127.0.0.1:5050/golang:1.27"), "add --local-bases") {
		t.Error("without --local-bases")
	}
}

func TestJoinOptional(t *testing.T) {
	got := joinOptional([]string{"build", "--local-bases", "always", "--immutable", "none", "--local-bases", "dir", "--", "--immutable", "all"})
	want := []string{"build", "--local-bases=always", "--immutable=none", "--local-bases", "dir", "--", "--immutable", "all"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

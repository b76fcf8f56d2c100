package dockerfile_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/dockerfile"
)

func TestPlan(t *testing.T) {
	const host = "registry.cn-hangzhou.aliyuncs.com/ns/"
	for _, c := range []struct {
		name, text string
		query      dockerfile.Query
		images     []string // REF line platforms, with CONTEXT= or a ! where a stage has the name
		final      string
		runs       []string
		entrypoint int
	}{
		{name: "one", text: "FROM " + host + "golang:1.27", images: []string{host + "golang:1.27 1 linux/amd64"}, final: host + "golang:1.27"},
		{name: "no tag", text: "FROM " + host + "golang", images: []string{host + "golang:latest 1 linux/amd64"}, final: host + "golang:latest"},
		{name: "of Docker Hub", text: "FROM debian", images: []string{"docker.io/library/debian:latest 1 linux/amd64"}, final: "docker.io/library/debian:latest"},
		{name: "scratch", text: "FROM scratch\nCOPY a /", final: "scratch"},
		{name: "scratch by a stage", text: "FROM scratch AS a\nFROM a\nCOPY a /", final: "scratch"},
		{
			name:   "the examples' form",
			text:   "ARG BASE=" + host + "golang:1.27\nARG SLIM=${BASE}-slim\n\nFROM ${BASE} AS build\nRUN go build\nFROM ${SLIM}\nCOPY --from=build /a /a\n",
			images: []string{host + "golang:1.27-slim 6 linux/amd64", host + "golang:1.27 4 linux/amd64"}, final: host + "golang:1.27-slim",
			runs: []string{"5 linux/amd64"},
		},
		{
			name: "with an argument", query: dockerfile.Query{Args: map[string]string{"BASE": "127.0.0.1:5050/golang:1.27"}},
			text:   "ARG BASE=" + host + "golang:1.27\nARG SLIM=${BASE}-slim\nFROM ${SLIM}\n",
			images: []string{"127.0.0.1:5050/golang:1.27-slim 3 linux/amd64"}, final: "127.0.0.1:5050/golang:1.27-slim",
		},
		{
			name: "by digest", text: "FROM example.com/a:1@sha256:" + strings.Repeat("0", 64),
			images: []string{"example.com/a:1@sha256:" + strings.Repeat("0", 64) + " 1 linux/amd64"},
			final:  "example.com/a:1@sha256:" + strings.Repeat("0", 64),
		},
		{
			name: "a stage that is not needed", text: "FROM example.com/a:1 AS a\nRUN x\nFROM example.com/b:1\n",
			images: []string{"example.com/b:1 3 linux/amd64"}, final: "example.com/b:1",
		},
		{
			name: "a target", query: dockerfile.Query{Target: "A"}, text: "FROM example.com/a:1 AS a\nENTRYPOINT x\nFROM example.com/b:1\n",
			images: []string{"example.com/a:1 1 linux/amd64"}, final: "example.com/a:1", entrypoint: 2,
		},
		{
			name: "taken from by number, name and image", text: "FROM example.com/a:1\nFROM example.com/b:1 AS b\nFROM scratch\nCOPY --from=0 / /\nCOPY --from=B / /\nCOPY --from=example.com/c:1 / /\n",
			images: []string{"example.com/a:1 1 linux/amd64", "example.com/b:1 2 linux/amd64", "example.com/c:1 6 linux/amd64"}, final: "scratch",
		},
		{
			name: "mounted", text: "FROM example.com/a:1\nRUN --mount=type=bind,from=example.com/m:1,target=/m x\n",
			images: []string{"example.com/a:1 1 linux/amd64", "example.com/m:1 2 linux/amd64"}, final: "example.com/a:1", runs: []string{"2 linux/amd64"},
		},
		{
			name: "contexts stand for images and stages", query: dockerfile.Query{Contexts: map[string]string{"example.com/a": "dir", "b": "https://example.com/b.git", "c": "oci-layout://c"}},
			text:   "FROM example.com/a:latest AS a\nRUN x\nFROM example.com/b:1 AS b\nRUN x\nFROM a\nCOPY --from=b / /\nCOPY --from=c / /\n",
			images: nil, runs: []string{"2 linux/amd64"}, final: "context example.com/a",
		},
		{
			name: "contexts that are images", query: dockerfile.Query{Contexts: map[string]string{
				"base": "docker-image://example.com/a:1", "tools": "docker-image://debian", "none": "docker-image://scratch", "unused": "docker-image://x", "context": "dir",
			}},
			text:   "FROM none AS empty\nFROM base\nCOPY --from=tools / /\nCOPY --from=example.com/a:1 / /\nCOPY --from=empty / /\n",
			images: []string{"base=example.com/a:1 2 linux/amd64", "tools=docker.io/library/debian:latest 3 linux/amd64", "example.com/a:1 4 linux/amd64"},
			final:  "example.com/a:1",
		},
		{
			name: "a context that is scratch", query: dockerfile.Query{Contexts: map[string]string{"base": "docker-image://scratch"}}, text: "FROM base\n", final: "scratch",
		},
		{
			name: "a stage called as its image", text: "FROM golang AS golang\nRUN go build\nFROM scratch\nCOPY --from=golang /app /\n",
			images: []string{"docker.io/library/golang:latest! 1 linux/amd64"}, final: "scratch", runs: []string{"2 linux/amd64"},
		},
		{
			name: "the last stage called as its image", text: "FROM node:latest AS Node\nCOPY . .\n",
			images: []string{"docker.io/library/node:latest! 1 linux/amd64"}, final: "docker.io/library/node:latest",
		},
		{
			name: "a stage called as another's image", text: "FROM alpine\nFROM debian:12 AS alpine\nCOPY --from=0 / /\n",
			images: []string{"docker.io/library/debian:12 2 linux/amd64", "docker.io/library/alpine:latest! 1 linux/amd64"}, final: "docker.io/library/debian:12",
		},
		{
			name: "a context for a stage that is called as its image", query: dockerfile.Query{Contexts: map[string]string{"golang": "docker-image://example.com/go:1"}},
			text: "FROM golang AS golang\nRUN x\n", images: []string{"golang=example.com/go:1 1 linux/amd64"}, final: "example.com/go:1",
		},
		{
			name: "platforms", query: dockerfile.Query{Platforms: []string{"linux/arm64", "linux/amd64"}},
			text:   "FROM --platform=$BUILDPLATFORM example.com/a:1 AS build\nRUN x\nFROM example.com/a:$TARGETARCH\nCOPY --from=build / /\nRUN y\n",
			images: []string{"example.com/a:arm64 3 linux/arm64", "example.com/a:1 1 linux/amd64", "example.com/a:amd64 3 linux/amd64"},
			final:  "example.com/a:arm64", runs: []string{"2 linux/amd64", "5 linux/arm64"},
		},
		{
			name: "one image for two platforms", query: dockerfile.Query{Platforms: []string{"linux/arm64", "linux/amd64"}},
			text: "FROM example.com/a:1\n", images: []string{"example.com/a:1 1 linux/arm64,linux/amd64"}, final: "example.com/a:1",
		},
		{
			name: "an entrypoint of a stage below", text: "FROM example.com/a:1 AS a\nENTRYPOINT x\nENTRYPOINT y\nFROM a\nCMD z\n",
			images: []string{"example.com/a:1 1 linux/amd64"}, final: "example.com/a:1", entrypoint: 3,
		},
		{name: "a name from a variable that only the builder knows", text: "FROM scratch\nARG X=1\nCOPY --from=$X / /\n", final: "scratch"},
		{name: "an escape of another kind", text: "# escape=`\nFROM example.com/a:1\nRUN x `\n  y\n", images: []string{"example.com/a:1 2 linux/amd64"}, final: "example.com/a:1", runs: []string{"3 linux/amd64"}},
		{name: "a document in place", text: "FROM scratch\nCOPY <<EOF /a\nFROM example.com/a:1\nEOF\n", final: "scratch"},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := c.query
			q.Native = "linux/amd64"
			if q.Platforms == nil {
				q.Platforms = []string{"linux/amd64"}
			}
			p, err := dockerfile.NewPlan([]byte(c.text), q)
			if err != nil {
				t.Fatal(err)
			}
			var images, runs []string
			for _, i := range p.Images {
				name := i.Ref
				if i.Context {
					name = i.Key + "=" + name
				}
				if i.Clashes {
					name += "!"
				}
				images = append(images, fmt.Sprintf("%s %d %s", name, i.Line, strings.Join(i.Platforms, ",")))
			}
			for _, r := range p.Runs {
				runs = append(runs, fmt.Sprintf("%d %s", r.Line, r.Platform))
			}
			if !slices.Equal(images, c.images) || final(p.Final) != c.final || !slices.Equal(runs, c.runs) || p.Entrypoint != c.entrypoint {
				t.Errorf("images %q, final %+v, runs %q, entrypoint %d", images, p.Final, runs, p.Entrypoint)
			}
		})
	}
}

// final is what a target begins with in one word.
func final(o dockerfile.Origin) string {
	switch {
	case o.Scratch:
		return "scratch"
	case o.Image != "":
		return o.Image
	case o.Context != "":
		return "context " + o.Context
	}
	return ""
}

func TestNoPlan(t *testing.T) {
	for text, want := range map[string]string{
		"":                               "no instructions",
		"ARG A=1":                        "no stage to build",
		"RUN x":                          "no build stage",
		"FROM example.com/a:1\nRUNN x":   "unknown instruction",
		"FROM --platform=1/2/3/4 a AS b": "line 1",
		"FROM ${A:?none}":                "none",
	} {
		_, err := dockerfile.NewPlan([]byte(text), dockerfile.Query{Platforms: []string{"linux/amd64"}, Native: "linux/amd64"})
		if err == nil {
			t.Errorf("%q has a plan", text)
			continue
		}
		wantIn(t, err.Error(), want)
	}
	_, err := dockerfile.NewPlan([]byte("FROM a"), dockerfile.Query{Target: "b", Platforms: []string{"linux/amd64"}, Native: "linux/amd64"})
	if err == nil {
		t.Fatal("there is a plan")
	}
	wantIn(t, err.Error(), `there is no stage "b", for no stage has a name`)
}

func FuzzNewPlan(f *testing.F) {
	for _, s := range []string{
		"FROM a\nCOPY --from=0 / /\n", "FROM a AS b\nFROM b AS c\nCOPY --from=c / /\n", "ARG A\nFROM ${A:-b}\nRUN --mount=from=x true\n",
		"FROM --platform=$BUILDPLATFORM a\nENTRYPOINT x\n", "FROM a AS 1\nFROM 1\nCOPY --from=1 / /\n",
	} {
		f.Add([]byte(s), "")
	}
	f.Fuzz(func(t *testing.T, text []byte, target string) {
		p, err := dockerfile.NewPlan(text, dockerfile.Query{Target: target, Platforms: []string{"linux/arm64", "linux/amd64"}, Native: "linux/amd64"})
		if err != nil {
			return
		}
		for _, i := range p.Images {
			if i.Ref == "" || i.Key == "" || len(i.Platforms) == 0 {
				t.Errorf("%+v", i)
			}
		}
	})
}

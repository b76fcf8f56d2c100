package dockerfile_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/buildkit"
	"github.com/imgbuild/imgbuild/pkg/dockerfile"
)

// hub is a builder whose Docker Hub is the tests' registry.
func hub(t *testing.T) *buildkit.Builder {
	t.Helper()
	testtool.Whole(t)
	config := filepath.Join(t.TempDir(), "buildkitd.toml")
	text := fmt.Sprintf("[registry.\"docker.io\"]\nmirrors = [%q]\n[registry.%q]\nhttp = true\n", registry(t), registry(t))
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return dial(t, testtool.BuildKitd(t, "--config", config).Address, "")
}

// moves makes the names stand for other images when the build has settled which
// ones it takes.
func moves(t *testing.T, b *dockerfile.Build, refs ...string) {
	b.Settled = func([]dockerfile.Base) {
		for _, ref := range refs {
			r, err := name.ParseReference(ref)
			if err != nil {
				t.Error(err)
				return
			}
			if err := remote.WriteIndex(r, empty.Index); err != nil {
				t.Error(err)
			}
		}
	}
}

// A base whose short name is a stage's, too, is pinned, and the stage does what
// it says.
func TestStagesCalledAsBases(t *testing.T) {
	on := hub(t)
	for _, c := range []struct {
		name, text string
		bases      []string // paths in the registry
		files      []string
	}{
		{"a stage that is taken from", "FROM golang AS golang\nRUN [\"/tool\"]\nFROM scratch\nCOPY --from=golang /tool /app\n", []string{"golang:latest"}, []string{"app"}},
		{"the last stage", "FROM node:latest AS Node\nCOPY a /a\n", []string{"node:latest"}, []string{"a", "tool"}},
		{"another base's name", "FROM alpine AS first\nFROM debian:12 AS alpine\nCOPY --from=first /tool /b\nCOPY a /a\n", []string{"debian:12", "alpine:latest"}, []string{"a", "b", "tool"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBuild(t, map[string]string{"Dockerfile": c.text, "a": "a"})
			var refs, digests []string
			for _, p := range c.bases {
				ref, digest := published(t, "library/"+p)
				refs, digests = append(refs, ref), append(digests, digest)
			}
			moves(t, b, refs...)
			r := mustRun(t, b, on)
			var got, files []string
			for _, base := range r.Bases {
				got = append(got, base.Digest)
			}
			slices.Sort(got)
			slices.Sort(digests)
			if !slices.Equal(got, digests) {
				t.Errorf("bases %+v, want %s", r.Bases, digests)
			}
			for f := range filesOf(t, r.Image) {
				files = append(files, f)
			}
			slices.Sort(files)
			if !slices.Equal(files, c.files) {
				t.Errorf("files %s, want %s", files, c.files)
			}
		})
	}
}

// The definitions' bases cannot be kept apart from a stage of that name.
func TestStageCalledAsLocalBase(t *testing.T) {
	on := builder(t)
	b := newBuild(t, map[string]string{"Dockerfile": "FROM scratch\nFROM golang AS golang\nCOPY a /\n", "a": "a"})
	b.Local = &local{t: t, first: true, has: "golang:latest"}
	_, err := run(t, b, on)
	if err == nil {
		t.Fatal("it was built")
	}
	wantIn(t, err.Error(), "Dockerfile:2: the base docker.io/library/golang:latest", "a stage has its name, golang", "give the stage another name")
}

// A context that is an image is a base as others are: pinned and told of.
func TestImageContext(t *testing.T) {
	on := builder(t)
	base, digest := published(t, "team/context:1")
	for text, final := range map[string]string{
		"FROM base\nCOPY a /\n":                                      base,
		"FROM unknown AS base\nRUN false\nFROM base\nCOPY a /\n":     base,
		"FROM scratch\nCOPY --from=base /tool /tool\nCOPY a /a\n":    "",
		"FROM base AS x\nRUN [\"/tool\"]\nFROM base\nCOPY a /copy\n": base,
	} {
		b := newBuild(t, map[string]string{"Dockerfile": text, "a": "a"})
		b.Contexts = map[string]string{"base": "docker-image://" + base}
		moves(t, b, base)
		r := mustRun(t, b, on)
		if len(r.Bases) != 1 || r.Bases[0].Ref != base || r.Bases[0].Digest != digest || !r.Bases[0].Context || r.Final.Image != final {
			t.Errorf("%q: bases %+v, final %+v", text, r.Bases, r.Final)
		}
		if files := filesOf(t, r.Image); len(files) != 2 || files["tool"] == "" {
			t.Errorf("%q: %d files", text, len(files))
		}
		published(t, "team/context:1")
	}
	// One that no registry has can come from the definitions, as for FROM.
	b := newBuild(t, map[string]string{"Dockerfile": "FROM base\nCOPY a /\n", "a": "a"})
	b.Contexts = map[string]string{"base": "docker-image://127.0.0.1:1/team/node:22"}
	b.Local = &local{t: t, has: "node:22"}
	if r := mustRun(t, b, on); len(r.Bases) != 1 || !r.Bases[0].Local {
		t.Errorf("bases %+v", r.Bases)
	}
}

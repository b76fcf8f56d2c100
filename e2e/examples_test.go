package e2e

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/mirror"
)

// functions are the examples, each with what it answers.
func functions(t testing.TB) []function {
	nodejs := `Node\.js v` + version(t, "node:latest") + `: GET /some/path\n$`
	return []function{
		{"golang", "Dockerfile", "golang:1.27", answers{`^hello from go` + version(t, "golang:1.27") + `: GET /some/path\n$`, true}},
		{"node", "Dockerfile", "node:latest", answers{`^hello from ` + nodejs, true}},
		{"node", "Dockerfile", "node:22-slim", answers{`^hello from Node\.js v` + version(t, "node:22") + `: GET`, true}},
		{"node", "Dockerfile.bootstrap", "node:latest", answers{`^hello from ` + nodejs, true}},
		{"typescript", "Dockerfile", "typescript:latest", answers{`^hello from ts-node on v` + version(t, "typescript:latest") + `: GET /some/path\n$`, true}},
		{"typescript-direct", "Dockerfile", "typescript:latest-slim", answers{`^hello from TypeScript on v` + version(t, "typescript:latest") + `: GET /some/path\n$`, false}},
		{"node-handler", "Dockerfile", "node:latest-slim", answers{`^hello from a handler on ` + nodejs, true}},
		{"node-http-handler", "Dockerfile", "node:22-slim", answers{`^hello from an HTTP handler on Node\.js v` + version(t, "node:22") + `: GET /some/path\n$`, true}},
		{"typescript-handler", "Dockerfile", "typescript:latest", answers{`^hello from a handler in TypeScript on v` + version(t, "typescript:latest") + `: GET /some/path\n$`, true}},
		{"shell", "Dockerfile", "golang:1.27", answers{`^hello from a shell script: GET /some/path\n$`, true}},
	}
}

// function is one Dockerfile of the examples on one base.
type function struct {
	dir, dockerfile, base string
	answers
}

func (f function) name() string { return f.dir + "/" + f.dockerfile + " on " + f.base }

// Each example's Dockerfile is built by dockerd FROM our image, started, asked
// and ended there.
func TestExamplesInDocker(t *testing.T) {
	d := docker(t)
	for _, f := range functions(t) {
		t.Run(f.name(), func(t *testing.T) {
			built := dockerBuild(t, d, example(f.dir), f.dockerfile, buildArgs(t, image(t, f.base)))
			check(t, startInDocker(t, d, built), f.answers)
		})
	}
}

// The same with buildah, and plain runc.
func TestExamplesInBuildah(t *testing.T) {
	for _, f := range functions(t) {
		t.Run(f.name(), func(t *testing.T) {
			img := buildahBuild(t, example(f.dir), f.dockerfile, buildArgs(t, image(t, f.base)))
			check(t, startInRunc(t, bundle(t, img)), f.answers)
		})
	}
}

// buildahBuild builds a Dockerfile's image without a daemon.
func buildahBuild(t testing.TB, dir, dockerfile string, buildArgs map[string]string) v1.Image {
	t.Helper()
	testtool.NeedRoot(t)
	buildah := testtool.Need(t, "buildah", "buildah")
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	storage := []string{"--root", filepath.Join(scratch, "b"), "--runroot", filepath.Join(scratch, "b-run"), "--storage-driver", "overlay"}
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(ctx, buildah, append(storage, args...)...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("buildah %s: %v: %s", strings.Join(args, " "), err, tail(string(out)))
		}
		return string(out)
	}
	// The base's layers stay for the tests that come; what is built goes.
	id := filepath.Join(t.TempDir(), "id")
	args := []string{"bud", "--isolation", "chroot", "--tls-verify=false", "--network", "host", "--format", "oci",
		"--layers=false", "--iidfile", id, "--file", filepath.Join(dir, dockerfile)}
	for k, v := range buildArgs {
		args = append(args, "--build-arg", k+"="+v)
	}
	run(append(args, dir)...)
	imageID := strings.TrimSpace(readText(t, id))
	dest := filepath.Join(t.TempDir(), "layout")
	run("push", "--quiet", imageID, "oci:"+dest+":built")
	run("rmi", "--force", imageID)
	return onlyImage(t, dest)
}

// buildArgs are an example's arguments: the base, its slim variant, and this machine's mirrors,
// since those that the image names may be out of reach.
func buildArgs(t testing.TB, base string) map[string]string {
	r := relay(t)
	slim := strings.TrimSuffix(base, "-slim") + "-slim"
	return map[string]string{"BASE": base, "SLIM": slim, "GOPROXY": r.URL(mirror.Go), "NPM_CONFIG_REGISTRY": r.URL(mirror.NPM)}
}

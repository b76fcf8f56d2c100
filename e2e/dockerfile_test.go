package e2e

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/imgbuild/imgbuild/internal/testtool"
)

// elsewhere is where the examples' bases would be published. Nothing answers.
const elsewhere = "127.0.0.1:1/your-namespace/"

var sharedBuildKit = sync.OnceValues(func() (*testtool.BuildKit, error) {
	dir, err := folder("k")
	if err != nil {
		return nil, err
	}
	b, err := testtool.StartBuildKit(dir)
	if err == nil {
		cleanUp.add(b.Close)
	}
	return b, err
})

// buildKit returns calls of imgbuild that use the shared buildkitd.
func buildKit(t testing.TB) run {
	t.Helper()
	testtool.NeedRoot(t)
	testtool.Need(t, "runc", "runc")
	b, err := sharedBuildKit()
	if err != nil {
		t.Fatal(err)
	}
	return run{env: []string{"BUILDKIT_HOST=" + b.Address, "DOCKER_HOST=unix:///nowhere"}}
}

// buildFlags are the flags for an example of functions.
func (f function) buildFlags(t testing.TB) []string {
	args := []string{"build", example(f.dir), "--file", filepath.Join(example(f.dir), f.dockerfile)}
	for k, v := range buildArgs(t, elsewhere+f.base) {
		args = append(args, "--build-arg", k+"="+v)
	}
	return args
}

// Each example's Dockerfile is built on bases that are nowhere but in the
// definitions, and what comes out runs.
func TestExamplesInBuildKit(t *testing.T) {
	r := buildKit(t)
	for _, f := range functions(t) {
		t.Run(f.name(), func(t *testing.T) {
			dest := filepath.Join(t.TempDir(), "layout")
			s := r.do(t, append(f.buildFlags(t), "--local-bases", "--output", "type=oci,dest="+dest)...)
			if s.code != 0 {
				t.Fatalf("exit %d: %s", s.code, tail(s.stderr))
			}
			for _, want := range []string{
				"base " + elsewhere + f.base + ": from the definitions here, sha256:",
				"connection refused",
				f.dir + ": FROM " + elsewhere,
				"the shim is its entrypoint",
			} {
				if !strings.Contains(s.stderr, want) {
					t.Errorf("it does not say %q: %s", want, s.stderr)
				}
			}
			img := onlyImage(t, dest)
			h, err := img.Digest()
			if err != nil {
				t.Fatal(err)
			}
			if want := f.dir + ":latest@" + h.String() + "\n"; s.stdout != want {
				t.Errorf("it prints %q, not %q", s.stdout, want)
			}
			check(t, startInRunc(t, bundle(t, img)), f.answers)
		})
	}
}

// The BuildKit inside Docker builds, too, and the image goes back there by name.
func TestBuildInDocker(t *testing.T) {
	d := docker(t)
	r := run{env: []string{"BUILDKIT_HOST=", "DOCKER_HOST=unix://" + d.Socket}}
	f := functions(t)[0]
	// Other tests' docker build leaves its steps there.
	dangling := func() []string {
		return strings.Fields(dockerRun(t, d, "images", "--filter", "dangling=true", "--quiet", "--no-trunc"))
	}
	before := dangling()
	args := append(f.buildFlags(t), "--local-bases=always", "--network", "host", "--tag", "from-docker:1", "--load")
	first := r.results(t, args...)
	check(t, startInDocker(t, d, "from-docker:1"), f.answers)
	if again := r.results(t, args...); again[0].Digest != first[0].Digest {
		t.Errorf("%s, then %s", first[0].Digest, again[0].Digest)
	}
	// The layers of the base are those that a registry has of it.
	base := run{}.results(t, "golang:1.27-slim")
	if first[0].Size < base[0].Size {
		t.Errorf("%d bytes, and the base has %d", first[0].Size, base[0].Size)
	}
	// Offline, what was loaded is taken; a Docker that cannot keep to that says so.
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "Dockerfile"), "FROM "+elsewhere+"golang:1.27\nRUN test \"$(ls /sys/class/net)\" = lo\n")
	if s := r.do(t, "build", dir, "--offline", "--local-bases"); s.code != 0 && !strings.Contains(s.stderr, "too old for --offline") {
		t.Errorf("exit %d: %s", s.code, tail(s.stderr))
	}
	for _, id := range dangling() {
		if !slices.Contains(before, id) {
			t.Errorf("an image without a name is left in Docker: %s", id)
		}
	}
}

// A published base comes from its registry, by digest, and the image goes to two
// registries in one push.
func TestBuildPushes(t *testing.T) {
	r := buildKit(t)
	base := image(t, "node:22-slim")
	one, two := freshRegistry(t), freshRegistry(t)
	args := []string{
		"build", example("node"), "--build-arg", "BASE=" + base, "--local-bases", "--platform", "linux/amd64,linux/arm64",
		"-t", "hello:1.0.0", "-t", "hello:1", "--push", "--registry", one.Host + "/team", "--registry", two.Host,
	}
	s := r.do(t, args...)
	if s.code != 0 {
		t.Fatalf("exit %d: %s", s.code, tail(s.stderr))
	}
	if want := "base " + base + ": from the registry, sha256:"; !strings.Contains(s.stderr, want) {
		t.Errorf("it does not say %q: %s", want, s.stderr)
	}
	lines := strings.Split(strings.TrimSpace(s.stdout), "\n")
	if len(lines) != 2 || !strings.HasPrefix(lines[0], one.Host+"/team/hello:1.0.0@sha256:") || !strings.HasPrefix(lines[1], two.Host+"/hello:1.0.0@sha256:") {
		t.Errorf("it prints %q", lines)
	}
	// A name that begins with a registry says where to.
	out := r.ok(t, "build", example("node"), "--build-arg", "BASE="+base, "-t", one.Host+"/other/name:2", "--push")
	if !strings.HasPrefix(out, one.Host+"/other/name:2@sha256:") {
		t.Errorf("it prints %q", out)
	}
}

// A second, empty builder takes everything from a cache in a registry.
func TestBuildCache(t *testing.T) {
	r := buildKit(t)
	other := testtool.BuildKitd(t)
	cache := freshRegistry(t).Host + "/cache/golang"
	f := functions(t)[0]
	args := append(f.buildFlags(t), "--local-bases=always")
	first := r.results(t, append(args, "--cache-to", cache)...)
	s := r.do(t, append(args, "--cache-from", cache, "--buildkit", other.Address, "--progress", "plain")...)
	if s.code != 0 {
		t.Fatalf("exit %d: %s", s.code, tail(s.stderr))
	}
	if !strings.Contains(s.stderr, "CACHED") || strings.Contains(s.stderr, "go: downloading") {
		t.Errorf("it is built anew: %s", tail(s.stderr))
	}
	if !strings.Contains(s.stdout, first[0].Digest) {
		t.Errorf("%s, not %s", s.stdout, first[0].Digest)
	}
}

// A context with very many files is sent without holding it, and what
// .dockerignore leaves out is not sent.
func TestManyFiles(t *testing.T) {
	r := buildKit(t)
	const folders, each = 100, 1000 // 50 are left out
	dir := t.TempDir()
	for i := range folders {
		kind := "kept"
		if i%2 == 1 {
			kind = "left"
		}
		sub := filepath.Join(dir, kind, fmt.Sprint(i))
		if err := os.MkdirAll(sub, 0o755); err != nil {
			t.Fatal(err)
		}
		for j := range each {
			if err := os.WriteFile(filepath.Join(sub, fmt.Sprint(j, ".txt")), []byte("a file\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	writeFile(t, filepath.Join(dir, "Dockerfile"), "FROM scratch\nCOPY . /\n")
	writeFile(t, filepath.Join(dir, ".dockerignore"), "left\n")
	dest := filepath.Join(t.TempDir(), "layout")
	for _, what := range []string{"first", "again"} {
		cmd := r.command(t, "build", dir, "--tag", "many", "--output", "type=oci,dest="+dest)
		cmd.Stderr = os.Stderr
		begun := time.Now()
		if err := cmd.Run(); err != nil {
			t.Fatal(err)
		}
		took := time.Since(begun)
		peak := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss >> 10
		t.Logf("%s: %s, %d MiB", what, took.Round(time.Millisecond), peak)
		if took > 3*time.Minute || peak > 250 {
			t.Errorf("%s: %s and %d MiB", what, took, peak)
		}
	}
	kept, left := 0, 0
	rc := mutate.Extract(onlyImage(t, dest))
	defer rc.Close()
	for files := tar.NewReader(rc); ; {
		h, err := files.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case h.Typeflag != tar.TypeReg:
		case strings.HasPrefix(h.Name, "kept/"):
			kept++
		case strings.HasPrefix(h.Name, "left"):
			left++
		}
	}
	if kept != folders/2*each || left != 0 {
		t.Errorf("%d files are in the image, and %d that were to be left out", kept, left)
	}
}

// What is wrong is said on standard error, with the place, and nothing comes out.
func TestBuildFails(t *testing.T) {
	r := buildKit(t)
	dir := t.TempDir()
	out := filepath.Join(t.TempDir(), "out.tar")
	for text, wants := range map[string][]string{
		"FROM scratch\nRUNN x\n":                                   {"unknown instruction: RUNN", ">>> RUNN x"},
		"FROM " + elsewhere + "golang:1.99\n":                      {"Dockerfile:1: the image " + elsewhere + "golang:1.99", `golang has no tag "1.99"`, "it has 1.27"},
		"FROM " + elsewhere + "nothing:1\n":                        {"Dockerfile:1: the image " + elsewhere + "nothing:1 is not to be had"},
		"FROM " + elsewhere + "golang:1.27\nRUN echo so; exit 3\n": {"exit code: 3", "   so\n", ">>> RUN echo so; exit 3"},
	} {
		writeFile(t, filepath.Join(dir, "Dockerfile"), text)
		s := r.do(t, "build", dir, "--local-bases", "--output", "type=oci,dest="+out, "--output", "type=tar,dest="+out+".files")
		if s.code != 1 || s.stdout != "" {
			t.Errorf("exit %d, it prints %q", s.code, s.stdout)
		}
		for _, want := range wants {
			if !strings.Contains(s.stderr, want) {
				t.Errorf("it does not say %q: %s", want, s.stderr)
			}
		}
	}
	if left, err := os.ReadDir(filepath.Dir(out)); err != nil || len(left) > 0 {
		t.Errorf("there is %v, %v", left, err)
	}
	// Without --local-bases the way out is named.
	writeFile(t, filepath.Join(dir, "Dockerfile"), "FROM "+elsewhere+"golang:1.27\nENTRYPOINT [\"x\"]\n")
	s := r.do(t, "build", dir)
	if s.code != 1 || !strings.Contains(s.stderr, "the definitions here have it: add --local-bases") {
		t.Errorf("exit %d: %s", s.code, s.stderr)
	}
	// A shim that was replaced is a warning.
	s = r.do(t, "build", dir, "--local-bases=always", "--tag", "no-shim")
	if s.code != 0 || !strings.Contains(s.stderr, "warning: ENTRYPOINT in Dockerfile:2 takes the place of the shim") {
		t.Errorf("exit %d: %s", s.code, s.stderr)
	}
}

// Offline, bases come from the definitions and nothing from a network.
func TestBuildOffline(t *testing.T) {
	r := buildKit(t)
	dir := t.TempDir()
	write := func(text string) { writeFile(t, filepath.Join(dir, "Dockerfile"), text) }
	write("FROM " + elsewhere + "golang:1.27\nRUN test \"$(ls /sys/class/net)\" = lo\n")
	s := r.do(t, "build", dir, "--offline")
	if s.code != 2 || !strings.Contains(s.stderr, "Dockerfile:1: --offline asks no registry") || !strings.Contains(s.stderr, "add --local-bases") {
		t.Errorf("exit %d: %s", s.code, s.stderr)
	}
	r.ok(t, "golang:1.27") // its inputs are in the store then
	s = r.do(t, "build", dir, "--offline", "--local-bases")
	if want := "base " + elsewhere + "golang:1.27: from the definitions here, sha256:"; s.code != 0 || !strings.Contains(s.stderr, want) || strings.Contains(s.stderr, "does not give it") {
		t.Errorf("exit %d: %s", s.code, s.stderr)
	}
	// What an image begins with is told as it is.
	for text, want := range map[string]string{"FROM here\n": "FROM the context here, ", "FROM scratch\nCOPY Dockerfile /\n": "FROM scratch, "} {
		write(text)
		if s := r.do(t, "build", dir, "--offline", "--tag", "app", "--build-context", "here="+dir); s.code != 0 || !strings.Contains(s.stderr, "app: "+want) {
			t.Errorf("exit %d, no %q: %s", s.code, want, s.stderr)
		}
	}
}

// A Dockerfile comes through standard input, and files leave through standard
// output.
func TestBuildInPipe(t *testing.T) {
	r := buildKit(t)
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "a.txt"), "text")
	// What is pushed and printed besides is not in the files.
	cmd := r.command(t, "build", dir, "--file", "-", "--output", "-", "--tag", "piped", "--push", "--registry", freshRegistry(t).Host, "--json")
	cmd.Stdin = strings.NewReader("FROM scratch\nCOPY a.txt /b.txt\n")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	h, err := tar.NewReader(bytes.NewReader(out)).Next()
	if err != nil || h.Name != "b.txt" {
		t.Errorf("%+v, %v", h, err)
	}
	if !bytes.HasSuffix(out, make([]byte, 1024)) {
		t.Errorf("behind the files there is %q", bytes.TrimLeft(out[max(0, len(out)-500):], "\x00"))
	}
}

// Ctrl-C ends the command on the builder, too.
func TestBuildIsStopped(t *testing.T) {
	r := buildKit(t)
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "Dockerfile"), "FROM "+elsewhere+"golang:1.27\nRUN sleep 86461\n")
	cmd := r.command(t, "build", dir, "--local-bases=always")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	sleeps := func() bool {
		found, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, p := range found {
			if b, err := os.ReadFile(p); err == nil && string(b) == "sleep\x0086461\x00" {
				return true
			}
		}
		return false
	}
	until := func(what string, f func() bool) {
		for end := time.Now().Add(3 * time.Minute); !f(); time.Sleep(100 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("it did not come to this: %s; %s", what, stderr.String())
			}
		}
	}
	until("the command runs", sleeps)
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 || !strings.Contains(stderr.String(), "stopped by interrupt") {
		t.Errorf("exit %d: %s", code, stderr.String())
	}
	until("the command has ended", func() bool { return !sleeps() })
}

func writeFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

package e2e

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/mirror"
)

// frontendImage pushes the frontend's image to the shared registry, once.
func frontendImage(t testing.TB) string {
	t.Helper()
	host := registry(t).Host
	frontendOnce.Do(func() {
		frontendPushed = run{}.results(t, "frontend-image", "--push", "--registry", host+"/"+namespace, "--tag", "frontend:test")[0].Reference
	})
	if frontendPushed == "" {
		t.Fatal("pushing the frontend failed")
	}
	ref, _, _ := strings.Cut(frontendPushed, "@")
	return ref
}

var (
	frontendOnce   sync.Once
	frontendPushed string
)

// builder returns a buildkitd that all tests of the frontend share.
func builder(t testing.TB) *testtool.BuildKit {
	t.Helper()
	testtool.NeedRoot(t)
	testtool.Need(t, "runc", "runc")
	registry(t)
	b, err := sharedBuilder()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var sharedBuilder = sync.OnceValues(func() (*testtool.BuildKit, error) {
	dir, err := folder("bk")
	if err != nil {
		return nil, err
	}
	r, err := sharedRegistry()
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "registries.toml")
	if err := os.WriteFile(config, []byte("[registry.\""+r.Host+"\"]\n  http = true\n"), 0o644); err != nil {
		return nil, err
	}
	b, err := testtool.StartBuildKit(dir, "--config", config)
	if err == nil {
		cleanUp.add(b.Close)
	}
	return b, err
})

// buildctl has the shared builder build what is in a folder with a frontend.
// Options are KEY=VALUE. The output is all that the client says.
func buildctl(t testing.TB, frontend, dir, output string, options ...string) (said string, err error) {
	t.Helper()
	b := builder(t)
	args := []string{"--addr", b.Address, "build", "--progress", "plain", "--frontend", frontend,
		"--local", "context=" + dir, "--local", "dockerfile=" + dir}
	if output != "" {
		args = append(args, "--output", output)
	}
	for _, o := range append(mirrorArgs(t, "build-arg:"), options...) { // the last one of a name counts
		if o != "" {
			args = append(args, "--opt", o)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	start := time.Now()
	out, err := exec.CommandContext(ctx, testtool.Buildctl(t), args...).CombinedOutput()
	t.Logf("%s %s: %v in %s", frontend, strings.Join(options, " "), err, time.Since(start).Round(time.Millisecond))
	return string(out), err
}

// build is buildctl with imgbuild's frontend, and must succeed.
func build(t testing.TB, dir, output string, options ...string) {
	t.Helper()
	out, err := buildctl(t, "gateway.v0", dir, output, append(options, "source="+frontendImage(t))...)
	if err != nil {
		t.Fatalf("%v: %s", err, tail(out))
	}
}

// mirrorArgs are the build arguments with this machine's mirrors.
func mirrorArgs(t testing.TB, prefix string) (args []string) {
	for _, a := range mirror.Archives() {
		args = append(args, prefix+mirror.Variable(a)+"="+relay(t).URL(a))
	}
	return args
}

// The frontend's image is a function of the program, and an index of several.
func TestFrontendImage(t *testing.T) {
	one := run{}.results(t, "frontend-image")
	two := run{store: t.TempDir()}.results(t, "frontend-image")
	if one[0].Digest != two[0].Digest || len(one[0].Platforms) != 1 {
		t.Errorf("the same program is %v and %v", one, two)
	}
	other := filepath.Join(t.TempDir(), "other")
	if err := os.WriteFile(other+".go", []byte("package main\n\nfunc main() {}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "build", "-o", other, other+".go")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=arm64")
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	index := run{}.results(t, "frontend-image", "--program", other)[0]
	if strings.Join(index.Platforms, ",") != "linux/amd64,linux/arm64" || index.Digest == one[0].Digest {
		t.Errorf("the index is %+v", index)
	}
}

// A definition whose first line names the frontend is built by BuildKit's own
// Dockerfile frontend.
func TestFrontendBySyntaxLine(t *testing.T) {
	dir := shellDefinition(t, "make /made")
	dest := filepath.Join(t.TempDir(), "image.tar")
	out, err := buildctl(t, "dockerfile.v0", dir, "type=oci,dest="+dest, "filename=image.yaml", "target=slim", "label:team=a")
	if err != nil {
		t.Fatalf("%v: %s", err, tail(out))
	}
	img := imageIn(t, dest)
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if l := config.Config.Labels; l["team"] != "a" || l["org.opencontainers.image.version"] != "2" {
		t.Errorf("the labels are %v", l)
	}
	checkMade(t, flatten(t, img))
}

// What is wrong is said as imgbuild says it, and BuildKit shows the place.
func TestFrontendRefuses(t *testing.T) {
	source := "source=" + frontendImage(t)
	own := shellDefinition(t, "make /made")
	broken := func(name, from, to string) string {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(own)); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		text := readText(t, path)
		if !strings.Contains(text, from) {
			t.Fatalf("%s has no %q", name, from)
		}
		if err := os.WriteFile(path, []byte(strings.Replace(text, from, to, 1)), 0o644); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	noLock := broken("image.yaml", "title: ", "title: another ")
	if err := os.Remove(filepath.Join(noLock, "image.lock")); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		dir, option string
		want        []string
	}{
		"a definition that is wrong": {broken("image.yaml", "platforms:", "platfroms:"), "", []string{`image.yaml:5:1: unknown key "platfroms"; did you mean "platforms"?`, ">>> name:"}},
		"no lock":                    {noLock, "", []string{"there is no lock for shell; run `imgbuild lock image.yaml --update`"}},
		"the lock of another":        {broken("image.yaml", "title: ", "title: another "), "", []string{"the lock does not belong to its definition"}},
		"a file that is not there":   {broken("image.yaml", "source: sh", "source: nowhere"), "", []string{`image.yaml:14:37: source "nowhere" does not exist`, ">>> "}},
		"no definition":              {own, "filename=other.yaml", []string{"there is no definition other.yaml"}},
		"an unknown target":          {own, "target=slem", []string{`shell has no target "slem"; did you mean "slim"?`}},
		"an unknown version":         {own, "build-arg:IMGBUILD_VERSION=9", []string{`shell has no tag "9"`, "it has 2, latest"}},
		"an unknown platform":        {own, "platform=linux/s390x", []string{`shell has no platform "linux/s390x"; it has linux/amd64`}},
		"an unknown argument":        {own, "build-arg:IMGBUILD_VERSON=2", []string{`--build-arg IMGBUILD_VERSON: did you mean "IMGBUILD_VERSION"?`}},
		"a mirror with a password":   {own, "build-arg:IMGBUILD_GOPROXY=https://me:secret@mirror.example/go", []string{"leave the password out and give --secret id=HTTP_AUTH_HEADER_mirror.example"}},
		"a command that fails":       {shellDefinition(t, "fail here"), "", []string{"run layer made", "said: fail here", ">>>         run: {script: fail here,"}},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := buildctl(t, "gateway.v0", test.dir, "", source, test.option)
			if err == nil {
				t.Fatal("it is built")
			}
			for _, want := range test.want {
				if !strings.Contains(out, want) {
					t.Errorf("want %q in: %s", want, tail(out))
				}
			}
			if strings.Contains(out, "secret@") {
				t.Errorf("the password is in: %s", tail(out))
			}
		})
	}
}

// docker buildx, as people have it, with the BuildKit inside dockerd: it may be
// older than the one that this project is made with.
func TestFrontendInDocker(t *testing.T) {
	d := docker(t)
	plugins := filepath.Join(t.TempDir(), "cli-plugins")
	if err := os.Mkdir(plugins, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(testtool.Tool(t, "buildx"), filepath.Join(plugins, "docker-buildx")); err != nil {
		t.Fatal(err)
	}
	dir := shellDefinition(t, "make /made")
	docker := func(args ...string) string {
		t.Helper()
		cmd := d.Command(t.Context(), args...)
		cmd.Env = append(cmd.Env, "DOCKER_CONFIG="+filepath.Dir(plugins))
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		if err := cmd.Run(); err != nil {
			t.Fatalf("docker %s: %v: %s", strings.Join(args, " "), err, tail(stderr.String()))
		}
		return stdout.String()
	}
	// The context is another folder than the definition's.
	docker(append([]string{"buildx", "build", "--progress", "plain", "--file", filepath.Join(dir, "image.yaml"),
		"--tag", "shell:built", "--load", t.TempDir()}, flagged("--build-arg", mirrorArgs(t, ""))...)...)
	t.Cleanup(func() { _, _, _ = dockerDo(t, d, "rmi", "--force", "shell:built") })
	if out := docker("run", "--rm", "--network", "none", "shell:built", "say", "hello"); out != "said: say hello\n" {
		t.Errorf("the image says %q", out)
	}
	if out := docker("buildx", "build", "--call", "targets", "--file", filepath.Join(dir, "image.yaml"), dir); !strings.Contains(out, "full (default)") || !strings.Contains(out, "slim") {
		t.Errorf("the targets are %s", out)
	}
}

func flagged(flag string, values []string) (args []string) {
	for _, v := range values {
		args = append(args, flag, v)
	}
	return args
}

// shellProgram stands for a shell: what it is told by -c it does.
const shellProgram = `package main

import (
	"fmt"
	"os"
	"strings"
)

func main() {
	script := strings.TrimSpace(strings.Join(os.Args[1:], " "))
	if len(os.Args) == 4 { // -e -c SCRIPT
		script = strings.TrimSpace(os.Args[3])
	}
	verb, what, _ := strings.Cut(script, " ")
	fmt.Println("said:", script)
	switch verb {
	case "make":
		given, err := os.ReadFile("/run/imgbuild/given")
		if err == nil {
			err = os.WriteFile(what, append(given, os.Getenv("SOURCE_DATE_EPOCH")...), 0o640)
		}
		if err != nil {
			panic(err)
		}
	case "fail":
		os.Exit(3)
	}
}
`

// shellDefinition is a definition whose images need no archive: a shell of its
// own and a command. Its first line names the frontend.
func shellDefinition(t testing.TB, command string) string {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("sh.go", shellProgram)
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", filepath.Join(dir, "sh"), filepath.Join(dir, "sh.go"))
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	layers := `      - name: sh
        files:
          - {path: /bin/sh, source: sh, mode: "0755"}
          - {path: /bin/bash, link: sh}
          - {path: /empty, dir: true, mode: "0700", uid: 7, gid: 8}
      - name: made
        run: {script: ` + command + `, files: [{path: /given, content: "given "}], date: "2020-01-02T03:04:05Z"}
    config: {entrypoint: [/bin/sh], workingDir: /empty}
`
	write("image.yaml", "# syntax="+frontendImage(t)+"\nname: shell\ntitle: a shell\nversions: {series: [\"2\", \"1\"]}\nplatforms: [linux/amd64]\nvariants:\n"+
		"  - name: full\n    # All\n    # of\n    # it.\n    layers:\n"+layers+"  - name: slim\n    suffix: -slim\n    layers:\n"+layers)
	run{}.ok(t, "lock", dir, "--update")
	return dir
}

package prove

import (
	"bufio"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/imgbuild/imgbuild/pkg/container"
	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/fc"
	"github.com/imgbuild/imgbuild/pkg/shim/conformance"
)

// sourceImage is where the rules about images are written.
const sourceImage = "imgbuild, images and docs/definition.md"

// adapterPath is the program that runs handlers, in images that have one.
const adapterPath = "/usr/local/lib/shim/adapter"

// rule is one of the suite, with why it cannot be tried on this image, where it
// cannot.
type rule struct {
	conformance.Rule
	skip string
}

// facts are what an image says of itself and what it has.
type facts struct {
	rootfs   *container.Rootfs
	env      map[string]string
	title    string
	packages map[string]bool // of dpkg's database
}

func factsOf(r *container.Rootfs) (*facts, error) {
	f := &facts{rootfs: r, env: map[string]string{}, title: r.Config().Labels["org.opencontainers.image.title"], packages: map[string]bool{}}
	for _, v := range r.Config().Env {
		name, value, _ := strings.Cut(v, "=")
		f.env[name] = value
	}
	status, err := r.Open("/var/lib/dpkg/status")
	if err != nil {
		return f, nil // it is not made of Debian's packages
	}
	defer status.Close()
	lines := bufio.NewScanner(status)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if name, ok := strings.CutPrefix(lines.Text(), "Package: "); ok {
			f.packages[name] = true
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading dpkg's database in the image: %w", err)
	}
	return f, nil
}

// handlers says whether the image promises to run handlers.
func (f *facts) handlers() bool { return f.env["NODE_VERSION"] != "" }

// first is how many rules of the suite, the first ones, stand for all: where
// one is broken the others are not tried.
const first = 2

// suite is what the image is tried with, in order.
func (f *facts) suite() []rule {
	var all []rule
	for _, r := range slices.Concat(f.promises(), f.contract()) {
		for _, need := range r.Needs {
			if r.skip == "" && !f.rootfs.Has(need) {
				r.skip = "the image has no " + need
			}
		}
		all = append(all, r)
	}
	return all
}

// contract are the shim's rules.
func (f *facts) contract() []rule {
	var all []rule
	for _, r := range conformance.Rules() {
		all = append(all, rule{Rule: r})
		if r.Name == "errors/nothing" && f.handlers() {
			all[len(all)-1].skip = "the image runs handlers, so that there is always something to run"
		}
	}
	return all
}

// promises are the rules about the image itself.
func (f *facts) promises() []rule {
	return []rule{
		{Rule: conformance.Rule{
			Name: "image/entrypoint", Source: sourceImage,
			Doc: "the entrypoint is the shim, without a command: so a container's arguments, a bootstrap or a handler are what it runs",
			Run: f.entrypoint,
		}},
		{Rule: conformance.Rule{
			Name: "image/port", Source: sourceImage,
			Doc: "the image says that it listens on 8080, and does",
			Run: func(t *conformance.Trial) {
				if _, ok := f.rootfs.Config().ExposedPorts["8080/tcp"]; !ok {
					t.Errorf("8080/tcp is not among the image's ports %v", f.rootfs.Config().ExposedPorts)
				}
				if a := t.Raw().Ask("POST", "/invoke", "event", fc.HeaderControlPath, "/invoke"); a.Status != 200 || !strings.HasSuffix(a.Body, "\r\n\r\nevent") {
					t.Errorf("a call came back as %d %q, %v", a.Status, a.Body, a.Err)
				}
			},
		}},
		{Rule: conformance.Rule{
			Name: "image/user", Source: sourceImage,
			Doc: "programs run as the user that the image names, in the folder that it names, " + codePath,
			Run: f.identity,
		}},
		{Rule: conformance.Rule{
			Name: "image/roots", Source: sourceImage,
			Doc: "the certificates of public authorities are where programs look for them",
			Run: func(t *conformance.Trial) {
				out := f.said(t, "./program", "roots", "/etc/ssl/certs/ca-certificates.crt")
				if n, err := strconv.Atoi(strings.TrimSpace(out)); err != nil || n < 100 {
					t.Errorf("the image has %q roots, want 100 and more", out)
				}
			},
		}, skip: f.lacks("ca-certificates")},
		{Rule: conformance.Rule{
			Name: "image/zones", Source: sourceImage,
			Doc: "the world's time zones are there",
			Run: func(t *conformance.Trial) {
				for zone, want := range map[string]string{"Asia/Shanghai": "20:00 CST\n", "Europe/Berlin": "14:00 CEST\n", "America/New_York": "08:00 EDT\n", "UTC": "12:00 UTC\n"} {
					if got := f.said(t, "./program", "zone", zone); got != want {
						t.Errorf("noon UTC is %q in %s, want %q", got, zone, want)
					}
				}
			},
		}, skip: f.lacks("tzdata")},
		f.version("node", "NODE_VERSION", "v%s\n", "node", "--version"),
		f.version("go", "GOLANG_VERSION", "go version go%s ", "go", "version"),
		f.handler("javascript", "index.js", javascript, f.handlers()),
		f.handler("typescript", "index.ts", typescript, strings.Contains(f.title, "TypeScript")),
	}
}

// lacks is why a rule about a package cannot be tried.
func (f *facts) lacks(name string) string {
	if f.packages[name] {
		return ""
	}
	return "the image does not have the package " + name
}

func (f *facts) entrypoint(t *conformance.Trial) {
	config := f.rootfs.Config()
	if !slices.Equal(config.Entrypoint, []string{definition.ShimPath}) {
		t.Errorf("the entrypoint is %q, want %s", config.Entrypoint, definition.ShimPath)
	}
	if len(config.Cmd) > 0 {
		t.Errorf("the command is %q, want none", config.Cmd)
	}
	if !f.rootfs.Has(definition.ShimPath) {
		t.Errorf("the image has no program %s", definition.ShimPath)
	}
}

func (f *facts) identity(t *conformance.Trial) {
	config := f.rootfs.Config()
	if config.WorkingDir != codePath {
		t.Errorf("the working directory is %q, want %s", config.WorkingDir, codePath)
	}
	uid, gid, err := f.rootfs.User(config.User)
	if err != nil {
		t.Fatalf("%v", err)
	}
	if config.User == "" || config.User == "root" {
		uid, gid = 0, 0
	}
	want := fmt.Sprintln(uid, gid, config.WorkingDir)
	if got := f.said(t, "./program", "identity"); got != want {
		t.Errorf("a program of user %q runs as %q, want %q", config.User, got, want)
	}
}

// said runs a command that must end well, and returns its output.
func (f *facts) said(t *conformance.Trial, command ...string) string {
	c := t.Start(conformance.Case{Command: command})
	if code := c.Code(20 * time.Second); code != 0 {
		t.Errorf("%s ended with %d: %s", strings.Join(command, " "), code, c.Stderr)
	}
	return c.Stdout.String()
}

// version is the rule that a program is of the version which the image says.
func (f *facts) version(name, variable, format string, command ...string) rule {
	r := rule{Rule: conformance.Rule{
		Name: "image/" + name, Source: sourceImage,
		Doc: name + " is of the version that the image says",
		Run: func(t *conformance.Trial) {
			want := fmt.Sprintf(format, f.env[variable])
			if got := f.said(t, command...); !strings.HasPrefix(got, want) {
				t.Errorf("%s says %q, want %q", strings.Join(command, " "), got, want)
			}
			if label := f.rootfs.Config().Labels["org.opencontainers.image.version"]; label != f.env[variable] {
				t.Errorf("the image is labelled as version %q, its %s is %q", label, variable, f.env[variable])
			}
		},
	}}
	if f.env[variable] == "" {
		r.skip = "the image names no " + variable
	}
	return r
}

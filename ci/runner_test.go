package ci_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"html"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/internal/testtool"
)

// runner plays a pipeline's service: it has a checkout, a plain user and the
// programs that the pipelines call. Only the installation of imgbuild, from the
// internet, and what belongs to the service are played.
type runner struct {
	t        *testing.T
	dir      string // everything is below
	checkout string
	origin   string // the bare repository that it was cloned from
	registry string // HOST
	env      map[string]string
}

const image = `name: tiny
title: A tiny image
description: For tests.
versions: {series: ["1.0"]}
platforms: [linux/amd64]
variants:
  - name: full
    layers:
      - name: settings
        files: [{path: /etc/motd, content: "hello\n"}]
    config: {entrypoint: [/bin/true]}
`

func newRunner(t *testing.T) *runner {
	t.Helper()
	testtool.Whole(t)
	testtool.NeedRoot(t) // to become someone else
	testtool.Need(t, "setpriv", "util-linux")
	testtool.Need(t, "git", "git")
	// A plain user may not look into the folders of t.TempDir.
	dir, err := os.MkdirTemp("", "pipeline-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	registry, err := testtool.StartRegistry(t.TempDir())
	if err != nil {
		testtool.Lacking(t, err.Error())
	}
	t.Cleanup(registry.Close)
	r := &runner{t: t, dir: dir, checkout: filepath.Join(dir, "checkout"), origin: filepath.Join(dir, "origin.git"), registry: registry.Host}
	bin := filepath.Join(dir, "bin")
	for _, d := range []string{bin, r.checkout + "/tiny", dir + "/home", dir + "/tmp"} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "imgbuild"), "../cmd/imgbuild")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	r.program("go", `case "$*" in
"install github.com/imgbuild/imgbuild/cmd/imgbuild@v1.0.0") mkdir -p "$GOPATH/bin"; cp "$TEST_DIR/imgbuild" "$GOPATH/bin/imgbuild" ;;
"env GOPATH") echo "$GOPATH" ;;
*) echo "go $* is not what was expected" >&2; exit 64 ;;
esac`)
	r.program("sudo", `echo "$*" >> "$TEST_DIR/tmp/sudo"`)
	r.program("gh", `printf '%s\n' "$*" >> "$TEST_DIR/tmp/gh"`)
	r.write("tiny/image.yaml", image)
	r.write(".gitignore", "dist\n.imgbuild-store\nimages.json\npublic\n")
	r.write("release.yaml", `name: test
images: [{definition: ./tiny}]
destinations: {registries: [`+r.registry+`/base]}
prove: false
report: dist/release.json
catalogue: dist/catalogue
`)
	r.env = map[string]string{
		"PATH": bin + ":/usr/local/bin:/usr/bin:/bin", "HOME": dir + "/home", "TMPDIR": dir + "/tmp",
		"GOPATH": dir + "/go", "TEST_DIR": dir,
		// A user's own settings of git are none of the pipeline's.
		"GIT_CONFIG_NOSYSTEM": "1",
	}
	r.own()
	r.run("git init -q -b main . && git -c user.name=a -c user.email=a@localhost commit -q --allow-empty -m begin && git clone -q --bare . " + r.origin +
		" && git remote add origin " + r.origin + " && git -C " + r.origin + " config receive.advertisePushOptions true")
	return r
}

func (r *runner) program(name, script string) {
	if err := os.WriteFile(filepath.Join(r.dir, "bin", name), []byte("#!/bin/sh\nset -e\n"+script+"\n"), 0o755); err != nil {
		r.t.Fatal(err)
	}
}

func (r *runner) write(name, text string) {
	if err := os.WriteFile(filepath.Join(r.checkout, name), []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

const nobody = 65534

// own gives everything to the plain user.
func (r *runner) own() {
	if out, err := exec.Command("chown", "-R", fmt.Sprint(nobody, ":", nobody), r.dir).CombinedOutput(); err != nil {
		r.t.Fatalf("%v %s", err, out)
	}
}

// run runs a script as services do, in bash that ends with the first error, as
// a user without any rights, and returns what it printed.
func (r *runner) run(script string) string {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), "setpriv", fmt.Sprint("--reuid=", nobody), fmt.Sprint("--regid=", nobody), "--clear-groups", "--bounding-set=-all", "--no-new-privs",
		"bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script)
	cmd.Dir = r.checkout
	for _, k := range slices.Sorted(maps.Keys(r.env)) {
		cmd.Env = append(cmd.Env, k+"="+r.env[k])
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("%v in\n%s\nwith\n%s", err, script, out)
	}
	if key := r.env["SIGNING_KEY"]; key != "" && strings.Contains(string(out), strings.Split(key, "\n")[1]) {
		r.t.Error("the key is printed")
	}
	return string(out)
}

// signingKey is a new ECDSA key as PEM.
func signingKey(t *testing.T) string {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// relocked says that the branch has a lock that is newer than main's.
func (r *runner) relocked() {
	r.t.Helper()
	if out := r.run("git -C " + r.origin + " show --stat relock"); !strings.Contains(out, "tiny/image.lock") || !strings.Contains(out, "Relock base images") {
		r.t.Errorf("the branch has\n%s", out)
	}
}

// released says that the registry has the image, signed, and the results are there.
func (r *runner) released() {
	r.t.Helper()
	resp, err := http.Get("http://" + r.registry + "/v2/base/tiny/tags/list")
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	var list struct{ Tags []string }
	if err := json.NewDecoder(resp.Body).Decode(&list); err != nil {
		r.t.Fatal(err)
	}
	if !slices.Contains(list.Tags, "1.0") || !slices.ContainsFunc(list.Tags, func(tag string) bool { return strings.HasSuffix(tag, ".sig") }) {
		r.t.Errorf("the registry has %q", list.Tags)
	}
	for _, name := range []string{"dist/release.json", "dist/catalogue/index.html", "dist/catalogue/cosign.pub"} {
		if _, err := os.Stat(filepath.Join(r.checkout, name)); err != nil {
			r.t.Error(err)
		}
	}
}

var commandRE = regexp.MustCompile(`<code class="line" id="(imgbuild|cosign)"[^>]*>([^<]*)</code>`)

// verified runs the commands that the page of the image shows for its signature.
func (r *runner) verified() {
	r.t.Helper()
	pages, err := filepath.Glob(filepath.Join(r.checkout, "dist/catalogue/images/*.html"))
	if err != nil || len(pages) != 1 {
		r.t.Fatalf("the catalogue has %q, %v", pages, err)
	}
	commands := commandRE.FindAllStringSubmatch(string(read(r.t, pages[0])), -1)
	if len(commands) != 2 {
		r.t.Fatalf("the page has the commands %q", commands)
	}
	for _, m := range commands {
		words := strings.Fields(html.UnescapeString(m[2]))
		path := filepath.Join(r.dir, "imgbuild")
		if m[1] == "cosign" {
			path = testtool.Tool(r.t, "cosign")
		}
		cmd := exec.CommandContext(r.t.Context(), path, words[1:]...)
		cmd.Dir = filepath.Join(r.checkout, "dist/catalogue")
		cmd.Env = append(os.Environ(), "IMGBUILD_STORE="+r.dir+"/verify-store", "HOME="+r.dir+"/home")
		if out, err := cmd.CombinedOutput(); err != nil {
			r.t.Errorf("%s: %v\n%s", words, err, out)
		}
	}
}

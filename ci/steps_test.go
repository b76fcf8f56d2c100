package ci_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"html"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

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

// workflow is what the test needs of a workflow of GitHub Actions.
type workflow struct {
	Env  map[string]string `yaml:"env"`
	Jobs map[string]struct {
		Steps []struct {
			Name string            `yaml:"name"`
			Run  string            `yaml:"run"`
			Env  map[string]string `yaml:"env"`
		} `yaml:"steps"`
	} `yaml:"jobs"`
}

var expressionRE = regexp.MustCompile(`\$\{\{ *([a-zA-Z_.]+) *\}\}`)

// github runs the steps of a job, each with its variables.
func (r *runner) github(path, job string, values map[string]string) map[string]string {
	r.t.Helper()
	var w workflow
	if err := yaml.Unmarshal(read(r.t, path), &w); err != nil {
		r.t.Fatal(err)
	}
	base := maps.Clone(r.env)
	maps.Copy(base, w.Env)
	base["IMAGES"], base["IMGBUILD_STORE"] = "./tiny", r.dir+"/store"
	base["GITHUB_PATH"], base["RUNNER_TEMP"] = r.dir+"/tmp/path", r.dir+"/tmp"
	if err := os.RemoveAll(base["GITHUB_PATH"]); err != nil {
		r.t.Fatal(err)
	}
	outputs := map[string]string{}
	for _, s := range w.Jobs[job].Steps {
		if s.Run == "" {
			continue // an action
		}
		r.env = maps.Clone(base)
		for k, v := range s.Env {
			r.env[k] = expressionRE.ReplaceAllStringFunc(v, func(m string) string {
				name := expressionRE.FindStringSubmatch(m)[1]
				value, ok := values[name]
				if !ok {
					r.t.Errorf("%s: there is no %s", path, name)
				}
				return value
			})
		}
		if path, err := os.ReadFile(base["GITHUB_PATH"]); err == nil {
			r.env["PATH"] = strings.TrimSpace(string(path)) + ":" + r.env["PATH"]
		}
		maps.DeleteFunc(r.env, func(k, v string) bool { return v == "" })
		outputs[s.Name] = r.run(s.Run)
	}
	if len(outputs) < 2 {
		r.t.Fatalf("%s has no job %s with steps", path, job)
	}
	r.env = base
	return outputs
}

func TestGitHubSteps(t *testing.T) {
	testtool.Need(t, "jq", "jq")
	testtool.Need(t, "curl", "curl")
	r := newRunner(t)
	tokens := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("Authorization") != "bearer request-token" || req.FormValue("audience") != "sts.aliyuncs.com" {
			http.Error(w, "no", http.StatusForbidden)
		}
		fmt.Fprintln(w, `{"value": "the-token", "count": 1}`)
	}))
	defer tokens.Close()
	r.env["ACTIONS_ID_TOKEN_REQUEST_TOKEN"], r.env["ACTIONS_ID_TOKEN_REQUEST_URL"] = "request-token", tokens.URL+"/?api-version=2.0"
	r.github("github/relock.yml", "relock", map[string]string{"github.token": "t"})
	r.relocked()
	if calls, err := os.ReadFile(r.dir + "/tmp/gh"); err != nil || !strings.HasPrefix(string(calls), "pr create --head relock ") {
		t.Errorf("gh was called with %s (%v)", calls, err)
	}
	if out := r.github("github/check.yml", "build", nil); !strings.Contains(out["Build"], `"name": "tiny"`) {
		t.Errorf("the check printed %s", out)
	}
	values := map[string]string{"vars.ALIBABA_CLOUD_ROLE_ARN": "acs:ram::1:role/r", "vars.ALIBABA_CLOUD_OIDC_PROVIDER_ARN": "acs:ram::1:oidc-provider/p",
		"runner.temp": r.dir + "/tmp", "secrets.SIGNING_KEY": signingKey(t), "secrets.COSIGN_PASSWORD": ""}
	r.github("github/release.yml", "release", values)
	r.released()
	r.verified()
	info, err := os.Stat(r.dir + "/tmp/oidc-token")
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("the token's file: %v %v", info, err)
	}
	if token, _ := os.ReadFile(r.dir + "/tmp/oidc-token"); string(token) != "the-token\n" {
		t.Errorf("the token is %q", token)
	}
	if out := r.github("github/release.yml", "release", values); !strings.Contains(out["Release"], "nothing to do") {
		t.Errorf("the second release says %s", out["Release"])
	}
}

func TestGitLabSteps(t *testing.T) {
	r := newRunner(t)
	var p map[string]yaml.Node
	if err := yaml.Unmarshal(read(t, "gitlab/.gitlab-ci.yml"), &p); err != nil {
		t.Fatal(err)
	}
	type job struct {
		Before    *[]string         `yaml:"before_script"`
		Script    []string          `yaml:"script"`
		Variables map[string]string `yaml:"variables"`
	}
	decode := func(name string, v any) {
		n := p[name]
		if err := n.Decode(v); err != nil {
			t.Fatal(err)
		}
	}
	var variables map[string]string
	var all job
	decode("variables", &variables)
	decode("default", &all)
	base := maps.Clone(r.env)
	base["CI_PROJECT_DIR"], base["CI_PROJECT_URL"] = r.checkout, strings.TrimSuffix(r.origin, ".git")
	base["SIGNING_KEY"], base["RELOCK_TOKEN"] = signingKey(t), "t"
	play := func(name string) string {
		var j job
		decode(name, &j)
		r.env = maps.Clone(base)
		for _, vars := range []map[string]string{variables, j.Variables} {
			for k, v := range vars {
				r.env[k] = os.Expand(v, func(name string) string { return base[name] })
			}
		}
		r.env["IMAGES"] = "./tiny"
		if strings.HasPrefix(r.env["IMGBUILD_STORE"], "/tmp/") {
			r.env["IMGBUILD_STORE"] = r.dir + "/store" // another /tmp than this machine's
		}
		before := *all.Before
		if j.Before != nil {
			before = *j.Before
		}
		// Lines of a script are run in one shell.
		return r.run(strings.Join(append(slices.Clone(before), j.Script...), "\n"))
	}
	play("relock")
	r.relocked()
	if out := play("check"); !strings.Contains(out, `"name": "tiny"`) {
		t.Errorf("the check printed %s", out)
	}
	play("release")
	r.released()
	if out := play("release"); !strings.Contains(out, "nothing to do") {
		t.Errorf("the second release says %s", out)
	}
	play("pages")
	if _, err := os.Stat(filepath.Join(r.checkout, "public", "index.html")); err != nil {
		t.Error(err)
	}
}

func TestFlowSteps(t *testing.T) {
	r := newRunner(t)
	base := maps.Clone(r.env)
	play := func(path string) (out string) {
		var f flow
		strict(t, read(t, path), &f)
		r.env = maps.Clone(base)
		for _, v := range f.Variables {
			r.env[v.Key] = v.Value.Value
		}
		// What only the service has.
		r.env["IMAGES"], r.env["IMGBUILD_STORE"], r.env["REPOSITORY"] = "./tiny", r.dir+"/store", r.origin
		r.env["GIT_USER"], r.env["GIT_TOKEN"] = "u", "t"
		r.env["SIGNING_KEY_BASE64"] = base64.StdEncoding.EncodeToString([]byte(base["KEY"]))
		for _, stage := range f.Stages {
			for _, job := range stage.Jobs {
				for _, s := range steps(t, job.Steps) {
					if s.Step == "Command" {
						out += r.run(s.With.Run)
						continue
					}
					for _, name := range s.With.FilePath {
						if _, err := os.Stat(filepath.Join(r.checkout, name)); err != nil {
							t.Errorf("what %s uploads is not there: %v", s.ID, err)
						}
					}
				}
			}
		}
		return out
	}
	base["KEY"] = signingKey(t)
	play("aliyun/relock.yml")
	r.relocked()
	play("aliyun/release.yml")
	r.released()
	if out := play("aliyun/release.yml"); !strings.Contains(out, "nothing to do") {
		t.Errorf("the second release says %s", out)
	}
}

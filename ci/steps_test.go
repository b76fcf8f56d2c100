package ci_test

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/imgbuild/imgbuild/internal/testtool"
)

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

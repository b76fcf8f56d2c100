// Package ci_test keeps the pipelines in this folder true: the checkers of
// each service take them, and their commands do what they say.
package ci_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/fetch"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/mirror"
	"github.com/imgbuild/imgbuild/pkg/release"
	"github.com/imgbuild/imgbuild/pkg/store"
)

var workflows = []string{"github/check.yml", "github/relock.yml", "github/release.yml"}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestActionlint(t *testing.T) {
	cmd := exec.Command(testtool.Tool(t, "actionlint"), append([]string{"-no-color"}, workflows...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	// A checker that takes everything would look the same.
	bad := filepath.Join(t.TempDir(), "bad.yml")
	text := strings.Replace(string(read(t, "github/release.yml")), "needs: release", "needs: relaese", 1)
	if err := os.WriteFile(bad, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(testtool.Tool(t, "actionlint"), bad).CombinedOutput(); err == nil || !bytes.Contains(out, []byte("relaese")) {
		t.Errorf("a wrong workflow is taken: %v\n%s", err, out)
	}
}

var (
	usesRE   = regexp.MustCompile(`(?m)^ +(?:- )?uses: (.*)$`)
	pinnedRE = regexp.MustCompile(`^actions/[a-z/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$`)
)

// Actions are those of the service itself, by commit, with the version beside
// it; nothing is granted that a job does not name.
func TestActionsArePinned(t *testing.T) {
	uses := 0
	for _, path := range workflows {
		data := read(t, path)
		for _, m := range usesRE.FindAllSubmatch(data, -1) {
			uses++
			if !pinnedRE.Match(m[1]) {
				t.Errorf("%s: %s is not pinned", path, m[1])
			}
		}
		var w struct {
			Permissions map[string]string `yaml:"permissions"`
		}
		if err := yaml.Unmarshal(data, &w); err != nil {
			t.Fatal(err)
		}
		for what, granted := range w.Permissions {
			if granted != "read" {
				t.Errorf("%s grants %s: %s to every job", path, what, granted)
			}
		}
		if !bytes.Contains(data, []byte("\npermissions:")) {
			t.Errorf("%s leaves the permissions at their default", path)
		}
		if bytes.Contains(data, []byte("pull_request_target")) {
			t.Errorf("%s gives credentials to pull requests", path)
		}
	}
	if uses < 11 {
		t.Errorf("%d uses were found", uses)
	}
}

// checker is the last gitlab-ci-local that has the schema as a file of its own.
var checker = lock.Input{
	ID: "npm:gitlab-ci-local@4.61.1", Kind: lock.KindNPM, Name: "gitlab-ci-local", Version: "4.61.1",
	Archive: mirror.NPM, Path: "gitlab-ci-local/-/gitlab-ci-local-4.61.1.tgz", Size: 258853,
	SHA256: "de6dbb860a9436f7513132553db13f835cf9be54333df8f753cce570cb0c316d",
}

// member is a file of a tarball.
func member(t *testing.T, tarball io.Reader, name string) []byte {
	t.Helper()
	z, err := gzip.NewReader(tarball)
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if h.Name == name {
			data, err := io.ReadAll(io.LimitReader(r, 16<<20))
			if err != nil {
				t.Fatal(err)
			}
			return data
		}
	}
}

// GitLab's own schema, as the program gitlab-ci-local has it.
func TestGitLabSchema(t *testing.T) {
	testtool.Whole(t)
	node := testtool.Need(t, "node", "nodejs")
	dir := t.TempDir()
	st, err := store.Open(filepath.Join(dir, "store"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := mirror.New(mirror.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f, err := fetch.New(st, m)
	if err != nil {
		t.Fatal(err)
	}
	h, err := f.Fetch(t.Context(), checker)
	if err != nil {
		t.Fatal(err)
	}
	tarball, err := st.Open(h)
	if err != nil {
		t.Fatal(err)
	}
	defer tarball.Close()
	if err := os.WriteFile(filepath.Join(dir, "schema.mjs"), member(t, tarball, "package/src/schema/schema.js"), 0o644); err != nil {
		t.Fatal(err)
	}
	print := exec.Command(node, "--input-type=module", "-e",
		`import {schema} from "./schema.mjs"; console.log(JSON.stringify(schema))`)
	print.Dir = dir
	text, err := print.Output()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	// Its patterns are of JavaScript, some of which Go's regexp does not know.
	c.UseRegexpEngine(func(s string) (jsonschema.Regexp, error) {
		re, err := regexp.Compile(s)
		if err != nil {
			return everything{s}, nil
		}
		return re, nil
	})
	if err := c.AddResource("gitlab.json", raw); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("gitlab.json")
	if err != nil {
		t.Fatal(err)
	}
	pipeline := func() map[string]any {
		var v map[string]any
		if err := yaml.Unmarshal(read(t, "gitlab/.gitlab-ci.yml"), &v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	if err := schema.Validate(pipeline()); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(p map[string]any){
		"a job's unknown key":     func(p map[string]any) { p["release"].(map[string]any)["scirpt"] = "x" },
		"a stage that is no text": func(p map[string]any) { p["check"].(map[string]any)["stage"] = 5 },
		"a token without audience": func(p map[string]any) {
			p["release"].(map[string]any)["id_tokens"] = map[string]any{"T": map[string]any{}}
		},
	} {
		p := pipeline()
		spoil(p)
		if schema.Validate(p) == nil {
			t.Errorf("the schema takes %s", name)
		}
	}
}

// everything is a pattern that cannot be compiled, and matches everything.
type everything struct{ text string }

func (a everything) MatchString(string) bool { return true }
func (a everything) String() string          { return a.text }

// What the pipelines release is a release.yaml, and its results are where the
// pipelines take them from.
func TestReleaseYAML(t *testing.T) {
	c, err := release.ReadFile("release.yaml")
	if err != nil {
		t.Fatal(err)
	}
	items, err := release.Select(".", c)
	if err != nil || len(items) < 2 {
		t.Errorf("%d images, %v", len(items), err)
	}
	names := strings.Join(release.Names(items), " ")
	for _, path := range []string{"github/release.yml", "gitlab/.gitlab-ci.yml", "aliyun/release.yml"} {
		text := string(read(t, path))
		for _, want := range []string{"dist", "--config release.yaml", "--key env:SIGNING_KEY"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s has no %s", path, want)
			}
		}
	}
	for _, path := range append(workflows, "gitlab/.gitlab-ci.yml") {
		if !strings.Contains(string(read(t, path)), "IMAGES: "+names+"\n") {
			t.Errorf("%s does not build %s", path, names)
		}
	}
	if c.Report != "dist/release.json" || c.Catalogue != "dist/catalogue" {
		t.Errorf("the results are %s and %s", c.Report, c.Catalogue)
	}
}

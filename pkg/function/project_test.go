package function

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const lockOfTwo = `{"lockfileVersion": 3, "packages": {
	"": {"name": "x"},
	"node_modules/a": {"version": "1.0.0", "hasInstallScript": true},
	"node_modules/b": {"version": "1.0.0", "dev": true, "hasInstallScript": true},
	"node_modules/@c/d": {"version": "1.0.0", "hasInstallScript": true, "cpu": ["arm64"]},
	"node_modules/a/node_modules/e": {"version": "1.0.0", "hasInstallScript": true, "os": ["!linux"]},
	"node_modules/f": {"version": "1.0.0", "devOptional": true}
}}`

func TestProject(t *testing.T) {
	p, err := readProject(folder(t, "package.json", `{"dependencies": {"a": "1"}}`, "package-lock.json", lockOfTwo))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name      string
		got, want []string
	}{
		{"for running", p.installs(false), []string{"node_modules/@c/d", "node_modules/a", "node_modules/a/node_modules/e", "node_modules/f"}},
		{"all", p.installs(true), []string{"node_modules/@c/d", "node_modules/a", "node_modules/a/node_modules/e", "node_modules/b", "node_modules/f"}},
		{"scripts on amd64", p.scripted("amd64", false), []string{"a"}},
		{"scripts on arm64", p.scripted("arm64", true), []string{"@c/d", "a", "b"}},
	} {
		if !slices.Equal(tt.got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.name, tt.got, tt.want)
		}
	}
}

func TestProjectErrors(t *testing.T) {
	for name, tt := range map[string]struct {
		files []string
		want  string
	}{
		"no lock":          {[]string{"package.json", `{"dependencies": {"a": "1"}}`}, "npm install --package-lock-only"},
		"another lock":     {[]string{"package.json", `{"devDependencies": {"a": "1"}}`, "yarn.lock", ""}, "yarn.lock is not read"},
		"no JSON":          {[]string{"package.json", `{"a": }`}, "package.json: invalid character"},
		"no JSON lock":     {[]string{"package.json", `{}`, "package-lock.json", "{"}, "package-lock.json: unexpected end"},
		"an old lock":      {[]string{"package.json", `{}`, "package-lock.json", `{"lockfileVersion": 1}`}, "npm 6 and older"},
		"a linked package": {[]string{"package.json", `{}`, "package-lock.json", `{"lockfileVersion": 3, "packages": {"node_modules/a": {"link": true}}}`}, "node_modules/a is a link"},
		"workspaces":       {[]string{"package.json", `{"workspaces": ["a"]}`}, "workspaces"},
	} {
		if _, err := readProject(folder(t, tt.files...)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
	for name, files := range map[string][]string{
		"no package.json": nil,
		"empty":           {"package.json", "\ufeff{}"},
	} {
		if p, err := readProject(folder(t, files...)); err != nil || len(p.installs(true)) > 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestDependencies: what npm installs is known by what decides it, and nothing else.
func TestDependencies(t *testing.T) {
	of := func(files ...string) string {
		p, err := readProject(folder(t, append([]string{"package.json", `{"dependencies": {"a": "1"}}`, "package-lock.json", lockOfTwo}, files...)...))
		if err != nil {
			t.Fatal(err)
		}
		d, err := p.dependencies()
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	same := of()
	if of("package.json", `{"scripts": {"start": "x"}, "main": "y", "dependencies": {"a": "1"}}`) != same {
		t.Error("the start script counts")
	}
	for name, files := range map[string][]string{
		"a dependency": {"package.json", `{"dependencies": {"a": "2"}}`},
		"an override":  {"package.json", `{"dependencies": {"a": "1"}, "overrides": {"a": "2"}}`},
		"the lock":     {"package-lock.json", strings.Replace(lockOfTwo, "1.0.0", "1.0.1", 1)},
		"npm's own":    {".npmrc", "legacy-peer-deps=true"},
	} {
		if of(files...) == same {
			t.Errorf("%s does not count", name)
		}
	}
}

func TestAcceptsNode(t *testing.T) {
	versions := []string{"26.10.0", "24.21.0", "22.23.3"}
	for name, tt := range map[string]struct {
		files      []string
		want, wish string
	}{
		"nothing":  {nil, "26.10.0 24.21.0 22.23.3", ""},
		"engines":  {[]string{"package.json", `{"engines": {"node": ">=20 <25"}}`}, "24.21.0 22.23.3", "package.json asks for Node.js >=20 <25"},
		"a series": {[]string{".nvmrc", "v22.1.0\n"}, "22.23.3", ".nvmrc asks for Node.js 22"},
		"a word":   {[]string{".nvmrc", "lts/*\n"}, "26.10.0 24.21.0 22.23.3", ""},
		"both":     {[]string{".node-version", "24", "package.json", `{"engines": {"node": "^22 || ^24"}}`}, "24.21.0", "^22 || ^24 and .node-version asks for Node.js 24"},
		"none":     {[]string{"package.json", `{"engines": {"node": "18.x"}}`}, "", "18.x"},
	} {
		accepts, wish, err := AcceptsNode(folder(t, tt.files...))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got []string
		for _, v := range versions {
			if accepts(v) {
				got = append(got, v)
			}
		}
		if s := strings.Join(got, " "); s != tt.want || !strings.Contains(wish, tt.wish) || (wish == "") != (tt.wish == "") {
			t.Errorf("%s: got %s, %q; want %s, %q", name, s, wish, tt.want, tt.wish)
		}
	}
	if _, _, err := AcceptsNode(folder(t, "package.json", `{"engines": {"node": "newest"}}`)); err == nil {
		t.Error("a range that is none is taken")
	}
}

// TestScan: modes are two, whatever the umask was; links are links; what has
// no content in an image is left out.
func TestScan(t *testing.T) {
	dir := folder(t, "b.js", "1", "a/run", "2", "empty/x/y", "")
	for _, err := range []error{
		os.Chmod(filepath.Join(dir, "b.js"), 0o600),
		os.Chmod(filepath.Join(dir, "a/run"), 0o711),
		os.Symlink("../b.js", filepath.Join(dir, "a/link")),
		os.Mkdir(filepath.Join(dir, "nothing"), 0o755),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	files, err := scan(t.Context(), dir, true, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, f := range files {
		got += strings.TrimSpace(f.name+" "+strings.TrimPrefix(os.FileMode(f.mode).String(), "-")+" "+f.link) + "\n"
	}
	const want = "a/link --------- ../b.js\na/run rwxr-xr-x\nb.js rw-r--r--\nempty/x/y rw-r--r--\n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

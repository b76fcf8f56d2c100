package function

import (
	"slices"
	"strings"
	"testing"
)

// names are those of the files that scan finds.
func names(t testing.TB, dir string) (names []string) {
	t.Helper()
	i, err := readIgnored(dir)
	if err != nil {
		t.Fatal(err)
	}
	files, err := scan(t.Context(), dir, false, i.skip)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		names = append(names, f.name)
	}
	return names
}

func TestIgnored(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files string // separated by blanks
		own   []string
		want  string
	}{
		{"nothing", "a.js lib/b.js", nil, "a.js lib/b.js"},
		{"never wanted", "a.js .git/x node_modules/x/y.js lib/node_modules/z.js .env lib/.env.local npm-debug.log Dockerfile Dockerfile.prod .vscode/x", nil, "a.js"},
		{"secret", ".npmrc lib/.npmrc a.js", []string{".dockerignore", "!.npmrc\n!**/.npmrc\n"}, "a.js"},
		{"taken back", ".env a.js b.log", []string{".dockerignore", "!.env\n!*.log\n"}, ".env a.js b.log"},
		{"own", "a.js test/a.js lib/test/b.js docs/c.md docs/keep.md", []string{".dockerignore", "# comment\ntest\ndocs\n!docs/keep.md\n"}, "a.js docs/keep.md lib/test/b.js"},
		{"npm's", "a.js test/a.js lib/test/b.js top.md lib/top.md x/y.js", []string{".npmignore", "test/\n/top.md\nx/y.js\n"}, "a.js lib/top.md"},
		{"docker's wins", "a.js test/a.js", []string{".npmignore", "a.js", ".dockerignore", "test"}, "a.js"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := folder(t, tt.own...)
			for _, name := range strings.Fields(tt.files) {
				fill(t, dir, name, "")
			}
			if got := strings.Join(names(t, dir), " "); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	if _, err := readIgnored(folder(t, ".dockerignore", "a[")); err == nil {
		t.Error("a pattern that is none is taken")
	}
}

func FuzzNPMPatterns(f *testing.F) {
	f.Add("test/\n/top.md\n!x\n#c\n  \n!\n/")
	f.Fuzz(func(t *testing.T, text string) {
		if slices.ContainsFunc(npmPatterns(text), func(p string) bool { return strings.TrimPrefix(p, "!") == "" }) {
			t.Errorf("%q gives an empty pattern", text)
		}
	})
}

package definition

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// oneFile is a definition's folder with one file in it.
func oneFile(path string) ([]byte, error) {
	if path == "there" {
		return []byte("content"), nil
	}
	return nil, fmt.Errorf("open %s: %w", path, fs.ErrNotExist)
}

// Each testdata/bad/*.yaml has its problems in the .txt beside it.
func TestParseNamesEveryProblem(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join("testdata", "bad", "*.yaml"))
	if err != nil || len(paths) < 10 {
		t.Fatalf("found %d bad definitions: %v", len(paths), err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Parse("image.yaml", data, oneFile)
			var problems Problems
			if !errors.As(err, &problems) {
				t.Fatalf("it was taken: %v", err)
			}
			golden := strings.TrimSuffix(path, ".yaml") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(err.Error()+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, readErr := os.ReadFile(golden)
			if readErr != nil {
				t.Fatal(readErr)
			}
			if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(err.Error()+"\n", "\n")); d != "" {
				t.Error(d)
			}
		})
	}
}

// Every line of a bad definition that says "# bad" has a problem, and no other
// line has one: the places are right.
func TestProblemsAreWhereTheyAreMarked(t *testing.T) {
	paths, _ := filepath.Glob(filepath.Join("testdata", "bad", "*.yaml"))
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Parse("image.yaml", data, oneFile)
		var problems Problems
		errors.As(err, &problems)
		found := map[int]bool{}
		for _, p := range problems {
			found[p.Line] = true
		}
		for i, line := range strings.Split(string(data), "\n") {
			if marked := strings.Contains(line, "# bad"); marked != found[i+1] {
				t.Errorf("%s:%d: marked bad %v, problem found %v", path, i+1, marked, found[i+1])
			}
		}
	}
}

const minimal = `name: files
versions: {series: ["1"]}
platforms: [linux/amd64]
variants:
  - name: full
    layers:
      - {name: files, files: [{path: /etc/motd, source: there}]}
    config: {}
`

// Problems that are not of one line of readable text.
func TestParseRefusesWholeFiles(t *testing.T) {
	for _, c := range []struct{ name, data, want string }{
		{"empty", "", "image.yaml:1:1: the file is empty; "},
		{"only a comment", "# nothing\n", "image.yaml:1:1: the file is empty; "},
		{"null", "~\n", "image.yaml:1:1: the definition is empty; "},
		{"a list", "- a\n", "image.yaml:1:1: the definition is a list; use a mapping"},
		{"a word", "golang\n", `image.yaml:1:1: the definition is "golang"; use a mapping`},
		{"not YAML", minimal + "  bad: [\n", "image.yaml:4:1: this is not YAML: "},
		{"tab", "name: x\n\tplatforms: []\n", "image.yaml:2:1: this is not YAML: "},
		{"two documents", minimal + "---\nname: b\n", "image.yaml:9:1: a second YAML document begins; "},
		{"second is damaged", minimal + "---\n[\n", "this is not YAML: "},
		{"binary", "\x00\x01\x02", "this is not YAML: "},
		{"not UTF-8", "name: \"\xff\xfe\"", "this is not YAML: "},
		{"too long", minimal + strings.Repeat("#", MaxSize), "bytes; keep it under 1048576"},
		{"deep", strings.Repeat("[", 20_000), "this is not YAML: "},
		{"unknown alias", "name: *x\n", "this is not YAML: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := Parse("image.yaml", []byte(c.data), oneFile)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, %v; want %q in the error", d, err, c.want)
			}
		})
	}
}

func TestParseReadsEveryField(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("testdata", "every-field.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	d, err := Parse("every-field.yaml", data, oneFile)
	if err != nil {
		t.Fatal(err)
	}
	no := false
	want := &Definition{
		Name: "every.field", Title: "Title", Description: "Description",
		Versions:  Versions{NPM: "node-linux-{npmarch}", Series: []string{"26", "24"}},
		Platforms: []string{"linux/arm64", "linux/amd64"},
		Variants: []Variant{{
			Name: "full",
			Layers: []Layer{
				{Name: "base", Image: &ImageLayer{Ref: "registry.example.com/team/base@sha256:" + strings.Repeat("0", 64)}},
				{Name: "os", Debian: &DebianLayer{
					Suite: "trixie", Essential: true, Packages: []string{"libc6", "libstdc++6"}, Sources: true,
					Accept: []AcceptedScript{{Package: "x11-common", Script: "postinst", SHA256: strings.Repeat("a", 64), Reason: "starts a service"}},
				}},
				{Name: "more", Debian: &DebianLayer{Suite: "trixie", Packages: []string{"linux-headers-{arch}"}, Dependencies: &no}},
				{Name: "node", NPM: &NPMLayer{Packages: []NPMPackage{
					{Package: "@scope/tool-{npmarch}", Version: "latest", To: "/opt/{version}", Include: []string{"bin/**"}, Exclude: []string{"**/*.md"}, Links: map[string]string{"/usr/bin/tool": "../../opt/tool"}},
					{Package: "tool", Version: "=@scope/tool-{npmarch}", To: "/opt/tool"},
					{Package: "other", Version: "1.2.3-rc.1", To: "/"},
				}}},
				{Name: "files", Files: []File{
					{Path: "/etc/there", Source: "there", Mode: "0600", UID: 1000, GID: 100},
					{Path: "/etc/empty"},
					{Path: "/etc/version", Content: "{version} ${HOME}\n"},
					{Path: "/var/data", Dir: true, Mode: "01777"},
					{Path: "/etc/link", Link: "there"},
				}},
				{Name: "command", Run: &RunLayer{
					Script: "cp /run/imgbuild/there /opt/{arch}\necho ${HOME}\n", Network: true,
					Files: []File{{Path: "/there", Source: "there", Mode: "0755"}}, Date: "2026-01-02T15:04:05Z",
				}},
				{Name: "shim", Shim: &ShimLayer{}},
			},
			Config: Config{
				Entrypoint: []string{"/usr/local/bin/shim"}, Cmd: []string{"node", "server.js"},
				Env:        []EnvVar{{"PATH", "/usr/bin:/bin"}, {"EMPTY", ""}, {"VERSION", "{version}-{series}"}},
				WorkingDir: "/code", User: "1000:100", Ports: []int{8080, 9000}, StopSignal: "SIGTERM",
				Labels: map[string]string{"com.example/team": "a", "org.example.arch": "{arch}"},
			},
		}},
		Files:  map[string][]byte{"there": []byte("content")},
		Source: "every-field.yaml",
	}
	if d := cmp.Diff(want, d); d != "" {
		t.Error(d)
	}
}

func TestDigestIsOfTheMeaning(t *testing.T) {
	parse := func(text string, files func(string) ([]byte, error)) string {
		t.Helper()
		d, err := Parse("image.yaml", []byte(text), files)
		if err != nil {
			t.Fatal(err)
		}
		return d.Digest()
	}
	first := parse(minimal, oneFile)
	for name, text := range map[string]string{
		"a comment":          "# a comment\n" + minimal,
		"white space":        strings.ReplaceAll(minimal, "{name: files, files: [", "{ name: files,\n         files: [ "),
		"the order of keys":  "platforms: [linux/amd64]\n" + strings.Replace(minimal, "platforms: [linux/amd64]\n", "", 1),
		"quotes":             strings.Replace(minimal, "name: files", `name: "files"`, 1),
		"the ends of lines":  strings.ReplaceAll(minimal, "\n", "\r\n"),
		"a byte order mark":  "\ufeff" + minimal,
		"the document's end": minimal + "...\n",
	} {
		if got := parse(text, oneFile); got != first {
			t.Errorf("%s changes the digest", name)
		}
	}
	for name, text := range map[string]string{
		"another platform": strings.Replace(minimal, "linux/amd64", "linux/arm64", 1),
		"another suffix":   strings.Replace(minimal, "- name: full", "- name: full\n    suffix: -x", 1),
		"another path":     strings.Replace(minimal, "/etc/motd", "/etc/motd2", 1),
	} {
		if got := parse(text, oneFile); got == first {
			t.Errorf("%s does not change the digest", name)
		}
	}
	if got := parse(minimal, func(string) ([]byte, error) { return []byte("other"), nil }); got == first {
		t.Error("another file does not change the digest")
	}
	// Locks in the world hold digests: this one never changes.
	if want := "sha256:c1c1077c9293efbad87652ca4d063f8ed07d6d4e1ef54719374d94e6ab4efd08"; first != want {
		t.Errorf("digest %s, want %s", first, want)
	}
}

func TestDependenciesTrueIsTheDefault(t *testing.T) {
	text := func(more string) []byte {
		return []byte(strings.Replace(minimal, "files: [{path: /etc/motd, source: there}]", "debian: {suite: trixie, packages: [bash]"+more+"}", 1))
	}
	plain, err := Parse("image.yaml", text(""), nil)
	if err != nil {
		t.Fatal(err)
	}
	said, err := Parse("image.yaml", text(", dependencies: true"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if plain.Digest() != said.Digest() {
		t.Error("saying the default changes the digest")
	}
}

func TestParseAsksOnlyForFilesInside(t *testing.T) {
	for _, source := range []string{"../there", "/etc/passwd", "a/../../b", `..\\there`, "C:there", ".", "", "a//b"} {
		text := strings.Replace(minimal, "source: there", fmt.Sprintf("source: %q", source), 1)
		_, err := Parse("image.yaml", []byte(text), func(path string) ([]byte, error) {
			t.Errorf("asked for %q", path)
			return nil, nil
		})
		if err == nil || !strings.Contains(err.Error(), "is not inside the definition's folder") {
			t.Errorf("%q: %v", source, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(minimal))
	for _, pattern := range []string{"testdata/*.yaml", "testdata/bad/*.yaml", "../../images/*/image.yaml"} {
		paths, _ := filepath.Glob(pattern)
		for _, path := range paths {
			data, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := Parse("image.yaml", data, oneFile)
		if err != nil {
			var problems Problems
			if !errors.As(err, &problems) || len(problems) == 0 {
				t.Fatalf("an error that is no Problems: %v", err)
			}
			for _, p := range problems {
				if p.Line < 1 || p.Column < 1 || p.What == "" || p.Do == "" {
					t.Errorf("a problem without a place or advice: %+v", p)
				}
			}
			return
		}
		if len(d.Variants) == 0 || len(d.Variants[0].Layers) == 0 || len(d.Platforms) == 0 || len(d.Versions.Series) == 0 {
			t.Errorf("taken, but nothing to build: %+v", d)
		}
		v := ValuesFor("1.2.3", "1.2", d.Platforms[0])
		v.ExpandLayer(d.Variants[0].Layers[0])
		v.ExpandConfig(d.Variants[0].Config)
		d.Digest()
	})
}

// Tens of thousands of items are refused, or taken, in time that grows with
// their number.
func TestParseOfVeryLongLists(t *testing.T) {
	list := func(head, item, tail string) string {
		var b strings.Builder
		b.WriteString(head)
		for i := 0; b.Len() < MaxSize/6; i++ {
			fmt.Fprintf(&b, item, i)
		}
		b.WriteString(tail)
		return b.String()
	}
	head := "name: long\nversions: {series: [\"1\"]}\nplatforms: [linux/amd64]\nvariants:\n  - name: full\n    config: {}\n    layers:\n"
	for name, c := range map[string]struct{ text, want string }{
		"packages":     {list(head+"      - {name: a, debian: {suite: trixie, packages: [", "a%d, ", "]}}\n"), "packages has "},
		"npm packages": {list(head+"      - {name: a, npm: {packages: [", "{package: a%d, version: =b, to: /a}, ", "]}}\n"), "packages has "},
		"files":        {list(head+"      - {name: a, files: [", "{path: /%d, content: a}, ", "]}\n"), "files has "},
		"layers":       {list(head, "      - {name: l%d, shim: {}}\n", ""), "layers has "},
		"env":          {list(head+"      - {name: s, shim: {}}\n  - name: slim\n    layers: []\n    config: {env: [", "{name: A%d, value: a}, ", "]}\n"), "layers is empty"},
		"series":       {list("versions: {series: [", "\"%d\", ", "]}\n"), "series has "},
		"variants":     {list("variants:\n", "  - {name: v%d, layers: [], config: {}}\n", ""), "variants has "},
		"unknown keys": {list("", "nmae%d: a\n", ""), "more problems"},
		"one long key": {"? " + strings.Repeat("k", MaxSize/8) + "\n: a\n", "unknown key \"kkkk"},
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			_, err := Parse("image.yaml", []byte(c.text), nil)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("no %q in the error %.300v", c.want, err)
			}
			if len(err.Error()) > 50_000 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
			// Comparing each with each would take longer.
			if took := time.Since(start); took > 2*time.Minute {
				t.Errorf("it took %v", took)
			}
		})
	}
}

package mirror

import (
	"context"
	"errors"
	"strings"
	"testing"
)

func TestPrecedence(t *testing.T) {
	files := map[string]string{
		"work/imgbuild.yaml": `mirrors: {debian: https://file.example/debian, go: "https://file.example/go,https://second.example", npm: https://file.example/npm}`,
		"etc/apt/sources.list": "deb http://apt.example/debian trixie main\n" +
			"deb http://apt.example/debian-security trixie-security main\n",
		"home/user/.npmrc": "registry=https://npmrc.example/\n",
	}
	without := map[string]string{
		"etc/apt/sources.list": files["etc/apt/sources.list"],
		"home/user/.npmrc":     files["home/user/.npmrc"],
	}
	env := []string{"IMGBUILD_DEBIAN_MIRROR=https://env.example/debian/", "IMGBUILD_GOPROXY=https://env.example/go,direct", "IMGBUILD_NPM_REGISTRY="}
	go1 := map[string]string{"go": "https://goproxy.example,direct"}
	for _, tt := range []struct {
		name    string
		files   map[string]string
		environ []string
		flags   map[string]string
		want    map[string][2]string
	}{
		{"nothing", nil, nil, nil, map[string][2]string{
			Debian:         {"https://mirrors.aliyun.com/debian", "Alibaba Cloud's public mirror"},
			DebianSecurity: {"https://mirrors.aliyun.com/debian-security", "Alibaba Cloud's public mirror"},
			Go:             {"https://goproxy.example", "go env GOPROXY"},
			NPM:            {"https://registry.npmmirror.com", "Alibaba Cloud's public mirror"},
		}},
		{"clients", without, nil, nil, map[string][2]string{
			Debian:         {"http://apt.example/debian", "apt's sources (/etc/apt/sources.list)"},
			DebianSecurity: {"http://apt.example/debian-security", "apt's sources (/etc/apt/sources.list)"},
			NPM:            {"https://npmrc.example", "npm configuration (/home/user/.npmrc)"},
		}},
		{"file", files, nil, nil, map[string][2]string{
			Debian:         {"https://file.example/debian", "/work/imgbuild.yaml:1"},
			DebianSecurity: {"https://file.example/debian-security", "/work/imgbuild.yaml:1"},
			Go:             {"https://file.example/go https://second.example", "/work/imgbuild.yaml:1"},
			NPM:            {"https://file.example/npm", "/work/imgbuild.yaml:1"},
		}},
		{"variables", files, env, nil, map[string][2]string{
			Debian:         {"https://env.example/debian", "IMGBUILD_DEBIAN_MIRROR"},
			DebianSecurity: {"https://env.example/debian-security", "IMGBUILD_DEBIAN_MIRROR"},
			Go:             {"https://env.example/go", "IMGBUILD_GOPROXY"},
			NPM:            {"https://file.example/npm", "/work/imgbuild.yaml:1"},
		}},
		{"flags", files, env, map[string]string{Debian: "file:///srv/debian", DebianSecurity: "http://sec.example"}, map[string][2]string{
			Debian:         {"file:///srv/debian", "--mirror"},
			DebianSecurity: {"http://sec.example", "--mirror"},
			Go:             {"https://env.example/go", "IMGBUILD_GOPROXY"},
		}},
		{"no sibling to derive", without, nil, map[string]string{Debian: "http://flag.example/mirror"}, map[string][2]string{
			Debian:         {"http://flag.example/mirror", "--mirror"},
			DebianSecurity: {"http://apt.example/debian-security", "apt's sources (/etc/apt/sources.list)"},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t, tt.files, append([]string(nil), tt.environ...), go1)
			m := f.mirrors(t, tt.flags)
			if len(f.asked) > 0 {
				t.Errorf("New asked %v", f.asked)
			}
			for archive, want := range tt.want {
				if urls, from := f.bases(t, m, archive); urls != want[0] || from != want[1] {
					t.Errorf("%s: %s, from %s; want %s, from %s", archive, urls, from, want[0], want[1])
				}
			}
		})
	}
}

// TestLazy: clients are asked when their archive is wanted, and once.
func TestLazy(t *testing.T) {
	f := newFake(t, nil, nil, map[string]string{"npm": "https://npm.example/\n", "go": "https://go.example"})
	m := f.mirrors(t, nil)
	f.bases(t, m, Debian)
	if len(f.asked) != 0 {
		t.Errorf("Debian's place was asked of %v", f.asked)
	}
	for range 3 {
		if urls, from := f.bases(t, m, NPM); urls != "https://npm.example" || from != "npm config get registry" {
			t.Error(urls, from)
		}
	}
	if got := strings.Join(f.asked, " "); got != "npm" {
		t.Errorf("asked %s", got)
	}
	// What a cancelled look-up found, or did not find, is not remembered.
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("interrupted")
	cancel(why)
	if _, err := m.Bases(ctx, Go); !errors.Is(err, why) {
		t.Error(err)
	}
	if urls, _ := f.bases(t, m, Go); urls != "https://go.example" {
		t.Error(urls)
	}
}

func TestErrors(t *testing.T) {
	for _, tt := range []struct {
		name    string
		file    string
		environ []string
		flags   map[string]string
		want    string
	}{
		{"unknown archive", "", nil, map[string]string{"pypi": "https://x.example"}, `--mirror pypi=…: unknown archive "pypi"; there are debian, debian-security, go, npm`},
		{"flag", "", nil, map[string]string{Debian: "mirror.example/debian"}, "--mirror debian: mirror.example/debian is not a URL: it begins neither with https:// nor with http:// nor with file://"},
		{"scheme", "", nil, map[string]string{NPM: "ftp://mirror.example"}, "--mirror npm: ftp://mirror.example: ftp is not among http, https, file"},
		{"no host", "", nil, map[string]string{NPM: "https:///npm"}, "--mirror npm: https:///npm names no host"},
		{"query", "", nil, map[string]string{NPM: "https://x.example/?token=hunter2"}, "--mirror npm: https://x.example/?xxxxx: a mirror's URL has no ? and no #"},
		{"variable", "", []string{"IMGBUILD_GOPROXY=https://a.example,b.example"}, nil, "IMGBUILD_GOPROXY: b.example is not a URL: it begins neither with https:// nor with http:// nor with file://"},
		{"password", "", []string{"IMGBUILD_NPM_REGISTRY=https://user:hunter2%zz@x.example"}, nil, "IMGBUILD_NPM_REGISTRY: …@x.example is not a URL"},
		{"password and scheme", "", []string{"IMGBUILD_NPM_REGISTRY=ftp://user:hunter2@x.example"}, nil, "IMGBUILD_NPM_REGISTRY: ftp://xxxxx@x.example: ftp is not among http, https, file"},
		{"file's key", "mirrors:\n  debian: https://x.example\n  pypi: https://x.example\n", nil, nil, `imgbuild.yaml:3:3: unknown archive "pypi"; there are debian, debian-security, go, npm`},
		{"file's first key", "mirrors: {}\nmirror: {}\n", nil, nil, `imgbuild.yaml:2:1: unknown key "mirror"; there are mirrors and bundles`},
		{"file's value", "mirrors:\n  npm: 7\n", nil, nil, "imgbuild.yaml:2:8: npm wants a URL"},
		{"file's list", "mirrors:\n  npm: [https://x.example]\n", nil, nil, "imgbuild.yaml:2:8: npm wants a URL"},
		{"file's nothing", "mirrors:\n  npm: direct\n", nil, nil, "imgbuild.yaml:2:8: npm wants a URL"},
		{"file's URL", "mirrors:\n  npm: user:hunter2@x.example\n", nil, nil, "imgbuild.yaml:2:8: …@x.example: user is not among http, https, file"},
		{"file's twice", "mirrors:\n  npm: https://x.example\n  npm: https://y.example\n", nil, nil, "imgbuild.yaml:3:3: npm is there twice"},
		{"file's shape", "- mirrors\n", nil, nil, "imgbuild.yaml:1:1: expected keys and values"},
		{"file's syntax", "mirrors: {\n", nil, nil, "imgbuild.yaml: yaml: line 1: did not find expected node content"},
		{"file's documents", "mirrors: {}\n---\nmirrors: {}\n", nil, nil, "imgbuild.yaml: more than one document"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			files := map[string]string{}
			if tt.file != "" {
				files["work/imgbuild.yaml"] = tt.file
			}
			f := newFake(t, files, tt.environ, nil)
			_, err := New(Options{Flags: tt.flags, machine: f.machine})
			if err == nil {
				t.Fatal("no error")
			}
			if got := strings.ReplaceAll(err.Error(), f.dir+"/", ""); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestFileOption(t *testing.T) {
	f := newFake(t, map[string]string{"work/imgbuild.yaml": "bad", "x.yaml": "mirrors:\n  npm: https://x.example\n", "empty.yaml": "# nothing\n", "null.yaml": "mirrors:\n"}, nil, nil)
	m, err := New(Options{File: f.path("/x.yaml"), machine: f.machine})
	if err != nil {
		t.Fatal(err)
	}
	if urls, from := f.bases(t, m, NPM); urls != "https://x.example" || from != "/x.yaml:2" {
		t.Error(urls, from)
	}
	for _, name := range []string{"/empty.yaml", "/null.yaml"} {
		if _, err := New(Options{File: f.path(name), machine: f.machine}); err != nil {
			t.Error(err)
		}
	}
	if _, err := New(Options{File: f.path("/none.yaml"), machine: f.machine}); err == nil || !strings.Contains(err.Error(), "none.yaml") {
		t.Error(err)
	}
}

func TestURLs(t *testing.T) {
	f := newFake(t, nil, nil, nil)
	m := f.mirrors(t, map[string]string{Debian: "https://user:pw@a.example/debian/,http://b.example", NPM: "https://n.example"})
	for _, tt := range []struct{ archive, path, want string }{
		{Debian, "pool/g/g++_1.2~3.deb", "https://a.example/debian/pool/g/g%2b%2b_1.2~3.deb http://b.example/pool/g/g%2b%2b_1.2~3.deb"},
		{NPM, "@s%2fname", "https://n.example/@s%2fname"},
		{NPM, "@s/name/-/name-1.0.0+build.tgz", "https://n.example/@s/name/-/name-1.0.0+build.tgz"},
	} {
		urls, err := m.URLs(t.Context(), tt.archive, tt.path)
		if got := strings.Join(urls, " "); err != nil || got != tt.want {
			t.Errorf("got %s, %v\nwant %s", got, err, tt.want)
		}
	}
	if _, err := m.URLs(t.Context(), "pypi", "x"); err == nil {
		t.Error("an unknown archive")
	}
	if _, err := m.URLs(t.Context(), NPM, "a/../../b"); err == nil {
		t.Error("a path that leaves the archive")
	}
}

// TestThisMachine finds a place for every archive with the machine's real
// clients, whatever they are.
func TestThisMachine(t *testing.T) {
	m, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range Archives() {
		b, err := m.Bases(t.Context(), a)
		if err != nil || len(b) == 0 || !strings.Contains(b[0].URL, "://") || b[0].From == "" {
			t.Errorf("%s: %d places, %v", a, len(b), err)
		}
	}
}

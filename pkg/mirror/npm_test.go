package mirror

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
)

func TestNPM(t *testing.T) {
	rc := func(host string) string { return "registry = https://" + host + ".example/npm/\n" }
	for _, tt := range []struct {
		name    string
		files   map[string]string
		environ []string
		want    string
		from    string
	}{
		{"project before user", map[string]string{"work/.npmrc": rc("project"), "home/user/.npmrc": rc("user")}, nil,
			"https://project.example/npm", "npm configuration (/work/.npmrc)"},
		{"user before global", map[string]string{"home/user/.npmrc": rc("user"), "opt/node/etc/npmrc": rc("global")}, nil,
			"https://user.example/npm", "npm configuration (/home/user/.npmrc)"},
		{"global beside node", map[string]string{"opt/node/etc/npmrc": rc("global"), "etc/npmrc": rc("etc")}, nil,
			"https://global.example/npm", "npm configuration (/opt/node/etc/npmrc)"},
		{"global of a distribution", map[string]string{"etc/npmrc": rc("etc")}, nil,
			"https://etc.example/npm", "npm configuration (/etc/npmrc)"},
		{"global at the user's prefix", map[string]string{"home/user/.npmrc": "prefix=${WHERE}/pre\n", "pre/etc/npmrc": rc("pre")}, []string{"WHERE=ROOT"},
			"https://pre.example/npm", "npm configuration (/pre/etc/npmrc)"},
		{"global where a variable says", map[string]string{"g/rc": rc("g"), "opt/node/etc/npmrc": rc("global")}, []string{"NPM_CONFIG_GLOBALCONFIG=ROOT/g/rc"},
			"https://g.example/npm", "npm configuration (/g/rc)"},
		{"user where a variable says", map[string]string{"u/rc": rc("u"), "home/user/.npmrc": rc("user")}, []string{"npm_config_userconfig=ROOT/u/rc"},
			"https://u.example/npm", "npm configuration (/u/rc)"},
		{"variable before all", map[string]string{"work/.npmrc": rc("project")}, []string{"npm_config_registry=https://env.example"},
			"https://env.example", "npm's variables"},
		{"variable in capitals", nil, []string{"NPM_CONFIG_REGISTRY=https://env.example"},
			"https://env.example", "npm's variables"},
		{"empty variable", map[string]string{"home/user/.npmrc": rc("user")}, []string{"npm_config_registry="},
			"https://user.example/npm", "npm configuration (/home/user/.npmrc)"},
		{"registry with a variable", map[string]string{"home/user/.npmrc": "registry=https://${HOST}/${NONE?}x\n"}, []string{"HOST=h.example"},
			"https://h.example/x", "npm configuration (/home/user/.npmrc)"},
		{"project's folder is above", map[string]string{"package.json": "{}", ".npmrc": rc("above"), "work/x": ""}, nil,
			"https://above.example/npm", "npm configuration (/.npmrc)"},
		{"scope's registry is not npm's", map[string]string{"home/user/.npmrc": "@scope:registry=https://scope.example\n"}, nil,
			"https://client.example", "npm config get registry"},
		{"npm itself", nil, nil, "https://client.example", "npm config get registry"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t, tt.files, tt.environ, map[string]string{"npm": "npm notice\nhttps://client.example/"})
			urls, from := f.bases(t, f.mirrors(t, nil), NPM)
			if urls != tt.want || from != tt.from {
				t.Errorf("%s, from %s; want %s, from %s", urls, from, tt.want, tt.from)
			}
			if asked := len(f.asked) > 0; asked != (tt.from == "npm config get registry") {
				t.Errorf("asked %v", f.asked)
			}
		})
	}
}

func TestNPMCredentials(t *testing.T) {
	for _, tt := range []struct{ name, npmrc, want string }{
		{"token", "//r.example/a/b/:_authToken=${TOKEN}\n", "Bearer hunter2"},
		{"token of the host", "//r.example/:_authToken = hunter2 ; mine\n", "Bearer hunter2"},
		{"token without the slash", "//r.example:_authToken=hunter2\n", "Bearer hunter2"},
		{"nearer one wins", "//r.example/:_authToken=far\n//r.example/a/:_authToken=near\n", "Bearer near"},
		{"basic", "//r.example/:_auth=dXNlcjpodW50ZXIy\n", "Basic dXNlcjpodW50ZXIy"},
		{"user and password", "//r.example/:username=user\n//r.example/:_password=" + base64.StdEncoding.EncodeToString([]byte("hunter2")) + "\n", "Basic dXNlcjpodW50ZXIy"},
		{"another host's", "//s.example/:_authToken=hunter2\n//r.example.org/:_authToken=hunter2\n//r.example:8080/:_authToken=hunter2\n", ""},
		{"no host's", "_authToken=hunter2\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t, map[string]string{"home/user/.npmrc": "registry=https://r.example/a/b/\n" + tt.npmrc}, []string{"TOKEN=hunter2"}, nil)
			bases, err := f.mirrors(t, nil).Bases(t.Context(), NPM)
			if err != nil {
				t.Fatal(err)
			}
			req, err := http.NewRequest(http.MethodGet, bases[0].URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			bases[0].Authorize(req)
			if got := req.Header.Get("Authorization"); got != tt.want {
				t.Errorf("authorization %q, want %q", got, tt.want)
			}
			if strings.Contains(bases[0].String(), "hunter2") {
				t.Error(bases[0])
			}
		})
	}
}

func TestNPMRC(t *testing.T) {
	getenv := func(name string) string { return map[string]string{"A": "aye"}[name] }
	for line, want := range map[string]string{
		"k=v":              "v",
		" k = v ":          "v",
		"k = v ; comment":  "v",
		"k = v # comment":  "v",
		`k = v \; \# \\ x`: `v ; # \ x`,
		`k = "v ; x"`:      "v ; x",
		`k = 'v " x'`:      `v " x`,
		`"k" = v`:          "v",
		"k = a=b":          "a=b",
		"k=1\nk=2":         "2",
		"k=${A}/${A}":      "aye/aye",
		"k=${B}":           "${B}",
		"k=x${B?}":         "x",
		"; k=v":            "",
		"# k=v":            "",
		"k[]=v":            "",
		"[section]\nk=v":   "",
		"k":                "",
	} {
		if got := parseNPMRC([]byte(line), getenv)["k"]; got != want {
			t.Errorf("%q gives %q, want %q", line, got, want)
		}
	}
}

// FuzzNPMRC: whatever is in a .npmrc, reading it ends, and looking for
// credentials in it too.
func FuzzNPMRC(f *testing.F) {
	f.Add("registry = https://${A}/npm/ ; x\n//a.example/npm/:_authToken=\"${B?}\"\n", "https://a.example/npm")
	f.Add("[x]\nk[]=v\n\\;=#\n", "https://a.example/%2f//")
	f.Fuzz(func(t *testing.T, rc, registry string) {
		values := parseNPMRC([]byte(rc), func(string) string { return "v" })
		for k := range values {
			if k == "" {
				t.Error("a value without a name")
			}
		}
		npmAuthorization(registry, []npmSource{{"x", values}})
	})
}

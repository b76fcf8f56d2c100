package definition

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestExpandLeavesShellVariablesAlone(t *testing.T) {
	v := ValuesFor("26.10.0", "26", "linux/amd64")
	got := v.Expand("{version} {series} {arch} {npmarch} ${version} {OTHER} {a,b} {}")
	if want := "26.10.0 26 amd64 x64 ${version} {OTHER} {a,b} {}"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestExpandLayerReachesEveryStringAndChangesNoOriginal(t *testing.T) {
	layer := func(arch, version string) Layer {
		return Layer{
			Name: "node-" + version,
			NPM: &NPMLayer{Packages: []NPMPackage{{
				Package: "node-linux-" + arch, Version: version, To: "/opt/" + arch,
				Include: []string{arch + "/**"},
				Links:   map[string]string{"/usr/bin/node-" + version: "../" + arch},
			}}},
			Files: []File{{Path: "/etc/" + version, Content: arch, UID: 7, Dir: true}},
			Shim:  &ShimLayer{},
		}
	}
	in := layer("{npmarch}", "{version}")
	got := ValuesFor("26.1.0", "26", "linux/amd64").ExpandLayer(in)
	if d := cmp.Diff(layer("x64", "26.1.0"), got); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(layer("{npmarch}", "{version}"), in); d != "" {
		t.Errorf("the original changed: %s", d)
	}
}

func TestExpandConfig(t *testing.T) {
	got := ValuesFor("1.27.3", "1.27", "linux/arm64").ExpandConfig(Config{
		Env:    []EnvVar{{"GO_VERSION", "{version}"}},
		Labels: map[string]string{"series": "{series}"},
		Ports:  []int{8080},
	})
	want := Config{Env: []EnvVar{{"GO_VERSION", "1.27.3"}}, Labels: map[string]string{"series": "1.27"}, Ports: []int{8080}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

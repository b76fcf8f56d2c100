package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/check"
	"github.com/imgbuild/imgbuild/pkg/container"
	"github.com/imgbuild/imgbuild/pkg/template"
)

// TestCheckFolder: the functions of a folder with nothing but a template, whose
// images are in a registry. Each is tried with its own image, on its own port.
func TestCheckFolder(t *testing.T) {
	testtool.Whole(t)
	if err := container.Available(t.Context()); err != nil {
		testtool.Lacking(t, err.Error())
	}
	reg := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer reg.Close()
	host := strings.TrimPrefix(reg.URL, "http://")
	digests := map[string]string{}
	for function, img := range twoImages(t) {
		ref, err := name.ParseReference(host + "/team/" + function + ":1")
		if err == nil {
			err = remote.Write(ref, img)
		}
		if err != nil {
			t.Fatal(err)
		}
		d, err := img.Digest()
		if err != nil {
			t.Fatal(err)
		}
		digests[function] = d.String()
	}
	ports := map[string]int{"shop": 9000, "blog": 9001}
	for _, functions := range [][]string{{"shop"}, {"shop", "blog"}} {
		t.Run(strings.Join(functions, "+"), func(t *testing.T) {
			dir := t.TempDir()
			text := "edition: 3.0.0\nname: site\naccess: default\nresources:\n"
			for _, f := range functions {
				text += fmt.Sprintf(`  %[1]s:
    component: fc3
    props:
      region: cn-hangzhou
      functionName: %[1]s
      runtime: custom-container
      memorySize: 512
      customContainerConfig:
        image: %[2]s/team/%[1]s:1
        port: %[3]d
`, f, host, ports[f])
			}
			if err := os.WriteFile(filepath.Join(dir, "s.yaml"), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			cmd, stdout, stderr := command(t, dir, "check", "--json")
			err := cmd.Run()
			if _, exited := err.(*exec.ExitError); err != nil && !exited {
				t.Fatal(err)
			}
			var reports []check.Report
			if err := json.Unmarshal(stdout.Bytes(), &reports); err != nil {
				t.Fatalf("%v: %s", err, stderr)
			}
			if len(reports) != len(functions) {
				t.Fatalf("%d reports, want %d: %s", len(reports), len(functions), stderr)
			}
			for i, f := range functions {
				r := reports[i]
				if r.Subject != f || r.Digest != digests[f] {
					t.Errorf("%s, %s is checked; want %s, %s", r.Subject, r.Digest, f, digests[f])
				}
				found := map[string]check.Result{}
				for _, x := range r.Results {
					found[x.Rule] = x
				}
				if x := found["host"]; x.Status != check.Passed || !strings.HasSuffix(x.What, fmt.Sprintf(":%d", ports[f])) {
					t.Errorf("%s: host: %s, %s", f, x.Status, x.What)
				}
				if x := found["template/image-digest"]; x.Status != check.Warned || !strings.Contains(x.What, "/team/"+f+":1") {
					t.Errorf("%s: template/image-digest: %s, %s", f, x.Status, x.What)
				}
			}
		})
	}
}

// twoImages are images of one program that differ.
func twoImages(t *testing.T) map[string]v1.Image {
	t.Helper()
	shop := functionImage(t)
	file, err := shop.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	file = file.DeepCopy()
	file.Config.Labels = map[string]string{"is": "another"}
	blog, err := mutate.ConfigFile(shop, file)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]v1.Image{"shop": shop, "blog": blog}
}

// TestScriptedBase: a script of a code package needs the shell that the platform
// has, which is in the full image alone.
func TestScriptedBase(t *testing.T) {
	for _, c := range []struct{ runtime, file, text, want string }{
		{template.Custom, "bootstrap", "#!/bin/sh\n", "golang"},
		{template.Custom + ".debian12", "bootstrap", "#!/bin/sh\n", "golang"},
		{template.Custom, "bootstrap", "\x7fELF", ""},
		{template.Custom, "bootstrap", "", ""},
		{template.Custom, "go.mod", "module x\n", ""},
		{"", "bootstrap", "#!/bin/sh\n", ""}, // no template: as imgbuild build does
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, c.file), []byte(c.text), 0o755); err != nil {
			t.Fatal(err)
		}
		a, err := (&target{kind: targetBuild, dir: dir, ref: dir, function: template.Function{Runtime: c.runtime}}).buildFlags()
		if err != nil {
			t.Fatal(err)
		}
		if a.function.base != c.want {
			t.Errorf("%+v: the base is %q", c, a.function.base)
		}
	}
}

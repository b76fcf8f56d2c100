package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/deploy"
	"github.com/imgbuild/imgbuild/pkg/template"
)

// TestPinRegions: functions of one name in two regions get each its own digest.
func TestPinRegions(t *testing.T) {
	const function = `  %s:
    component: fc3
    props:
      region: %s
      functionName: join
      runtime: custom-container
      customContainerConfig: {image: '%s'}
`
	const image = "registry.example.com/team/join"
	digest := func(c string) string { return image + "@sha256:" + strings.Repeat(c, 64) }
	written := func(south, north string) string {
		return "edition: 3.0.0\nname: join\nresources:\n" + fmt.Sprintf(function, "south", "cn-hangzhou", south) + fmt.Sprintf(function, "north", "cn-beijing", north)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "s.yaml")
	if err := os.WriteFile(path, []byte(written(image+":1", image+":2")), 0o644); err != nil {
		t.Fatal(err)
	}
	all, err := template.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	var done []deployed
	for n, f := range all {
		done = append(done, deployed{f, &deploy.Result{Function: f.Name, Region: f.Region, Image: digest(fmt.Sprint(n))}})
	}
	g := &global{stderr: os.Stderr, progress: "plain"}
	if err := (&deploying{from: dir, functions: all}).pin(g, done); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	south, north := strings.Replace(digest("0"), "@", ":1@", 1), strings.Replace(digest("1"), "@", ":2@", 1)
	if want := written(south, north); err != nil || string(got) != want {
		t.Errorf("the template is\n%s%v\nwant\n%s", got, err, want)
	}
}

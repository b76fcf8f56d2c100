package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/mirror"
)

// writeDefinition writes a definition of one variant with those layers, and its
// lock.
func writeDefinition(t testing.TB, name, layers string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	text := "name: " + name + "\nversions: {series: [\"1\"]}\nplatforms: [linux/amd64]\nvariants:\n  - name: full\n    layers:\n" + layers +
		"    config: {entrypoint: [/imgbuild]}\n"
	if err := os.WriteFile(filepath.Join(dir, "image.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	run{}.ok(t, "lock", dir, "--update")
	return dir
}

// The layers of an existing image are taken as they are.
func TestFrontendOnAnImage(t *testing.T) {
	frontendImage(t)
	_, digest, _ := strings.Cut(frontendPushed, "@")
	base := registry(t).Host + "/" + namespace + "/frontend@" + digest
	dir := writeDefinition(t, "on-an-image", "      - name: base\n        image: {ref: '"+base+"'}\n"+
		"      - name: more\n        files: [{path: /etc/motd, content: hello}]\n")
	dest := filepath.Join(t.TempDir(), "image.tar")
	build(t, dir, "type=oci,dest="+dest)
	got, want := imageIn(t, dest), pull(t, base, "linux/amd64")
	a, err := got.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	b, err := want.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Layers) != 2 || a.Layers[0].Digest != b.Layers[0].Digest {
		t.Errorf("the layers are %v on %v", a.Layers, b.Layers)
	}
	if files := flatten(t, got); files["/imgbuild"].Size == 0 || files["/etc/motd"].Size != 5 {
		t.Errorf("the files are %v", files)
	}
	config, err := got.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if n := len(config.History); n != 2 || config.History[0].CreatedBy != "imgbuild base" {
		t.Errorf("the history is %v", config.History)
	}
	out, err := buildctl(t, "gateway.v0", dir, "", "source="+frontendImage(t), "build-arg:IMGBUILD_RESULT=oci")
	if err == nil || !strings.Contains(out, "layer base is of an existing image") {
		t.Errorf("an OCI layout of it: %v: %s", err, tail(out))
	}
}

// Where a mirror does not give an input the next one is asked.
func TestFrontendMirrors(t *testing.T) {
	dir := writeDefinition(t, "mirrors", `      - name: ms
        npm: {packages: [{package: ms, version: 2.1.3, to: /ms}]}
`)
	source, arg := "source="+frontendImage(t), "build-arg:"+mirror.Variable(mirror.NPM)+"="
	const dead, wrong = "http://127.0.0.1:1/npm", "http://127.0.0.1:2/npm"
	out, err := buildctl(t, "gateway.v0", dir, "", source, arg+dead+","+wrong)
	if err == nil || !strings.Contains(out, dead) || !strings.Contains(out, wrong) {
		t.Errorf("no mirror: %v: %s", err, tail(out))
	}
	dest := filepath.Join(t.TempDir(), "image.tar")
	out, err = buildctl(t, "gateway.v0", dir, "type=oci,dest="+dest, source, arg+dead+","+relay(t).URL(mirror.NPM))
	if err != nil {
		t.Fatalf("%v: %s", err, tail(out))
	}
	if !strings.Contains(out, "a mirror failed, and the next one is asked") {
		t.Errorf("nothing is said of the dead one: %s", tail(out))
	}
	if files := flatten(t, imageIn(t, dest)); files["/ms/package.json"].Size == 0 {
		t.Errorf("the files are %v", files)
	}
}

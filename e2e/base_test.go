package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// A fourth language is one file: the definition of the examples is built by
// its path, pushed, and runs a function.
func TestRuby(t *testing.T) {
	d := docker(t)
	host := registry(t).Host
	r := run{}.results(t, filepath.Join(example("ruby"), "image.yaml"), "--push", "--registry", host+"/"+namespace)[0]
	want := answers{`^hello from Ruby ` + regexp.QuoteMeta(r.Version) + `: GET /some/path\n$`, true}
	base := host + "/" + namespace + "/ruby:3.3"
	t.Run("docker", func(t *testing.T) {
		built := dockerBuild(t, d, example("ruby"), "Dockerfile", buildArgs(t, base))
		check(t, startInDocker(t, d, built), want)
	})
	t.Run("buildah", func(t *testing.T) {
		img := buildahBuild(t, example("ruby"), "Dockerfile", buildArgs(t, base))
		check(t, startInRunc(t, bundle(t, img)), want)
	})
}

// companyDefinition is an image on a company's own base. Its placeholder is
// the base's reference by digest.
const companyDefinition = `name: company
versions: {series: ["1"]}
platforms: [linux/amd64]
variants:
  - name: full
    layers:
      - name: base
        image: {ref: %s}
      - name: settings
        files:
          - {path: /etc/company, content: "of our own\n"}
      - name: shim
        shim: {}
    config:
      entrypoint: [/usr/local/bin/shim]
      workingDir: /code
      ports: [8080]
      env:
        - {name: PATH, value: "/usr/local/bin:/usr/bin:/bin"}
`

// A company's own base, by digest from its own registry, carries its layers
// into the image as they are; and the image runs.
func TestCompanyBase(t *testing.T) {
	base := pull(t, image(t, "node:latest-slim"), "linux/amd64")
	digest, err := base.Digest()
	if err != nil {
		t.Fatal(err)
	}
	ref := image(t, "node") + "@" + digest.String()
	dir := write(t, map[string]string{"image.yaml": fmt.Sprintf(companyDefinition, ref)})
	definition := filepath.Join(dir, "image.yaml")
	if s := (run{}).do(t, definition); s.code == 0 || !strings.Contains(s.stderr, "imgbuild lock") {
		t.Errorf("without a lock: exit %d, %s", s.code, s.stderr)
	}
	run{}.ok(t, "lock", definition, "--update")
	before := readText(t, filepath.Join(dir, "image.lock"))
	run{}.ok(t, "lock", definition, "--update")
	if readText(t, filepath.Join(dir, "image.lock")) != before {
		t.Error("locked twice, the locks differ")
	}
	// A new store and a registry that lacks the base's blobs: they are pulled.
	other := freshRegistry(t)
	store := filepath.Join(t.TempDir(), "store")
	copyStore(t, store)
	r := run{store: store}.results(t, definition, "--push", "--registry", other.Host)[0]
	img := pull(t, r.Reference, "linux/amd64")
	got, want := layersOf(t, img), layersOf(t, base)
	if len(got) != len(want)+2 || fmt.Sprint(got[:len(want)]) != fmt.Sprint(want) {
		t.Errorf("layers %v, want those of the base first: %v", got, want)
	}
	program := `const fs = require("node:fs");
		require("node:http").createServer((q, s) => s.end(fs.readFileSync("/etc/company"))).listen(9000);
		process.on("SIGTERM", () => process.exit(3))`
	c := startInRunc(t, bundle(t, img, "node", "-e", program))
	ask(t, c, clientOf(t, c), "GET", "/", "1-company", "", "^of our own\n$")
	checkLog(t, c, true, "1-company")
	if code := c.terminate(t); code != 3 {
		t.Errorf("ended with %d, want the program's 3", code)
	}
	if err := os.RemoveAll(filepath.Join(store, "blobs")); err != nil {
		t.Fatal(err)
	}
	s := run{store: store}.do(t, definition, "--offline")
	if s.code != 1 || !strings.Contains(s.stderr, "offline") {
		t.Errorf("offline without the base: exit %d, %s", s.code, s.stderr)
	}
}

func layersOf(t testing.TB, img v1.Image) []v1.Hash {
	t.Helper()
	m, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	var hs []v1.Hash
	for _, l := range m.Layers {
		hs = append(hs, l.Digest)
	}
	return hs
}

// copyStore copies the records and small blobs (the shim, slim OS layers,
// packages) of the shared store: enough to build slim images at once, and free
// to be damaged.
func copyStore(t testing.TB, to string) {
	t.Helper()
	pushed(t)
	const small = 16 << 20
	for _, folder := range []string{"records", "blobs"} {
		err := filepath.WalkDir(filepath.Join(sharedStore, folder), func(path string, e os.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			info, err := e.Info()
			if err != nil || info.Size() > small {
				return err
			}
			rel, err := filepath.Rel(sharedStore, path)
			if err != nil {
				return err
			}
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			target := filepath.Join(to, rel)
			if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
				return err
			}
			return os.WriteFile(target, data, info.Mode().Perm())
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

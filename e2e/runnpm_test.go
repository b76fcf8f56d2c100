package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/mirror"
)

// withCommand has a package that npm installs on an image that is there already.
const withCommand = `name: tool
versions: {series: ["1"]}
platforms: [linux/amd64]
variants:
  - name: full
    layers:
      - name: base
        image: {ref: %s}
      - name: semver
        run:
          script: npm install --global --no-audit --no-fund --cache /tmp/npm --logs-max 0 --registry %s semver@7.7.1
          network: true
    config:
      cmd: [semver, 1.2.3]
      env:
        - {name: PATH, value: "/usr/local/bin:/usr/bin:/bin"}
`

// A package that npm installs globally: two empty builders make one image, and
// the program in it runs.
func TestRunLayerInstallsFromNPM(t *testing.T) {
	base := image(t, "node")
	digest, err := pull(t, base+":latest", "linux/amd64").Digest()
	if err != nil {
		t.Fatal(err)
	}
	dir := write(t, map[string]string{"image.yaml": fmt.Sprintf(withCommand, base+"@"+digest.String(), relay(t).URL(mirror.NPM))})
	run{}.ok(t, "lock", dir, "--update")

	out := filepath.Join(t.TempDir(), "layout")
	args := []string{dir, "--engine", "buildkit"}
	first := buildKit(t).ok(t, append(args, "--output", "type=oci,dest="+out)...)
	second := run{store: t.TempDir()}.ok(t, append(args, "--buildkit", testtool.BuildKitd(t).Address)...)
	if first != second {
		t.Errorf("built %sand %s", first, second)
	}
	said, err := bundle(t, onlyImage(t, out)).Run(t.Context()).CombinedOutput()
	if err != nil || strings.TrimSpace(string(said)) != "1.2.3" {
		t.Errorf("it prints %q: %v", said, err)
	}
}

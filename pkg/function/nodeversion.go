package function

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/imgbuild/imgbuild/internal/lazyregexp"
)

// versionFile is the text of .node-version or .nvmrc where it names a release
// or a series. Names such as lts/* mean another one each year.
var versionFile = lazyregexp.New(`^v?(\d+)(?:\.\d+)*\s*$`)

// AcceptsNode says which releases of Node.js the project in dir runs with, by
// the range of engines in its package.json, and by the series in .node-version
// or .nvmrc. wish says so in words.
func AcceptsNode(dir string) (accepts func(version string) bool, wish string, err error) {
	var wishes []string
	engines := func(*semver.Version) bool { return true }
	path := filepath.Join(dir, "package.json")
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, "", err
	}
	if err == nil {
		p, err := parseManifest(b)
		if err != nil {
			return nil, "", fmt.Errorf("%s: %w", path, err)
		}
		if r := strings.TrimSpace(p.manifest.Engines["node"]); r != "" {
			c, err := semver.NewConstraint(r)
			if err != nil {
				return nil, "", fmt.Errorf("%s: engines.node %q is no range of versions: %w", path, r, err)
			}
			engines, wishes = c.Check, append(wishes, fmt.Sprintf("package.json asks for Node.js %s", r))
		}
	}
	series := ""
	for _, name := range []string{".node-version", ".nvmrc"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if m := versionFile().FindSubmatch(b); err == nil && m != nil {
			series = string(m[1])
			wishes = append(wishes, fmt.Sprintf("%s asks for Node.js %s", name, series))
			break
		}
	}
	return func(version string) bool {
		v, err := semver.NewVersion(version)
		return err == nil && engines(v) && (series == "" || strings.HasPrefix(version, series+"."))
	}, strings.Join(wishes, " and "), nil
}

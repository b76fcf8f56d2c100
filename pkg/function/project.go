package function

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// project is a folder of Node.js code: what its package.json and its lock say.
type project struct {
	dir      string
	manifest manifest
	raw      []byte // package.json, nil where there is none
	locked   *packageLock
	rawLock  []byte
	lockName string
}

// manifest is a package.json, as far as it matters here.
// https://docs.npmjs.com/cli/configuring-npm/package-json
type manifest struct {
	Main       string            `json:"main"`
	Scripts    map[string]string `json:"scripts"`
	Engines    map[string]string `json:"engines"`
	Workspaces json.RawMessage   `json:"workspaces"`

	Dependencies         map[string]string `json:"dependencies"`
	DevDependencies      map[string]string `json:"devDependencies"`
	OptionalDependencies map[string]string `json:"optionalDependencies"`
	PeerDependencies     map[string]string `json:"peerDependencies"`
}

// packageLock is a package-lock.json, as far as it matters here.
// https://docs.npmjs.com/cli/configuring-npm/package-lock-json
type packageLock struct {
	Version  int                      `json:"lockfileVersion"`
	Packages map[string]lockedPackage `json:"packages"`
}

type lockedPackage struct {
	Dev              bool     `json:"dev"`
	Link             bool     `json:"link"`
	HasInstallScript bool     `json:"hasInstallScript"`
	OS               []string `json:"os"`
	CPU              []string `json:"cpu"`
}

// readProject reads what is there. A folder without package.json is a project
// that depends on nothing.
func readProject(dir string) (*project, error) {
	p := &project{dir: dir}
	var err error
	path := filepath.Join(dir, "package.json")
	if p.raw, err = os.ReadFile(path); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return p, nil
		}
		return nil, err
	}
	parsed, err := parseManifest(p.raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	p.manifest = parsed.manifest
	if w := p.manifest.Workspaces; len(w) > 0 && !bytes.Equal(w, []byte("null")) && !bytes.Equal(w, []byte("[]")) {
		return nil, fmt.Errorf("%s has workspaces, which need the folders around them; build one with a Dockerfile, or give a folder of its own to the function", path)
	}
	return p, p.readLock()
}

// parseManifest reads a package.json alone.
func parseManifest(b []byte) (*project, error) {
	p := &project{raw: b}
	return p, json.Unmarshal(bytes.TrimPrefix(b, []byte("\ufeff")), &p.manifest)
}

// readLock reads npm's lock: npm-shrinkwrap.json wins, as with npm.
func (p *project) readLock() error {
	for _, name := range []string{"npm-shrinkwrap.json", "package-lock.json"} {
		b, err := os.ReadFile(filepath.Join(p.dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		p.locked, p.rawLock, p.lockName = new(packageLock), b, name
		if err := json.Unmarshal(b, p.locked); err != nil {
			return fmt.Errorf("%s: %w", filepath.Join(p.dir, name), err)
		}
		return p.checkLock()
	}
	needs := len(p.manifest.Dependencies) + len(p.manifest.OptionalDependencies) + len(p.manifest.DevDependencies)
	if needs == 0 {
		return nil
	}
	other := ""
	for _, name := range []string{"yarn.lock", "pnpm-lock.yaml", "bun.lock"} {
		if isFile(filepath.Join(p.dir, name)) {
			other = fmt.Sprintf("; %s is not read, but a Dockerfile can use it", name)
		}
	}
	return fmt.Errorf("%s has dependencies, but there is no package-lock.json that says which versions; run `npm install --package-lock-only` there and commit the file%s",
		filepath.Join(p.dir, "package.json"), other)
}

func (p *project) checkLock() error {
	path := filepath.Join(p.dir, p.lockName)
	if p.locked.Version < 2 {
		return fmt.Errorf("%s is of npm 6 and older; run `npm install --package-lock-only` there with a newer npm", path)
	}
	for _, name := range slices.Sorted(maps.Keys(p.locked.Packages)) {
		if p.locked.Packages[name].Link {
			return fmt.Errorf("%s: %s is a link to a folder, which is not in the registry; build the function with a Dockerfile, or publish the package", path, name)
		}
	}
	return nil
}

// installs are the packages that an install puts there, by their folders,
// without those for development unless dev is set.
func (p *project) installs(dev bool) (names []string) {
	if p.locked == nil {
		return nil
	}
	for name, l := range p.locked.Packages {
		if name != "" && (dev || !l.Dev) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// scripted are those of the packages for a platform that run a script when
// they are installed.
func (p *project) scripted(arch string, dev bool) (names []string) {
	for _, name := range p.installs(dev) {
		l := p.locked.Packages[name]
		if l.HasInstallScript && suits(l.OS, "linux") && suits(l.CPU, npmArch(arch)) {
			names = append(names, name[strings.LastIndex(name, "node_modules/")+len("node_modules/"):])
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(names)))
}

// suits reads a list of os or cpu: names that are wanted, or !NAME.
func suits(list []string, is string) bool {
	positive := false
	for _, l := range list {
		if l == is {
			return true
		}
		if l == "!"+is {
			return false
		}
		positive = positive || !strings.HasPrefix(l, "!")
	}
	return !positive
}

// npmArch is npm's name of an architecture.
func npmArch(arch string) string {
	if arch == "amd64" {
		return "x64"
	}
	return arch
}

// dependencies stands for all of package.json and the lock that decides what
// npm installs. The start script, say, does not.
func (p *project) dependencies() (string, error) {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(bytes.TrimPrefix(p.raw, []byte("\ufeff")), &m); err != nil {
		return "", err
	}
	for _, name := range []string{"scripts", "main", "type", "module", "exports", "description", "files"} {
		delete(m, name)
	}
	b, err := json.Marshal(m) // sorted by name
	if err != nil {
		return "", err
	}
	h := sha256.New()
	fmt.Fprintf(h, "%d %s\n%s %s", len(b), b, p.lockName, p.rawLock)
	// What npm's settings in the folder say may change how it installs.
	rc, err := os.ReadFile(filepath.Join(p.dir, ".npmrc"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	fmt.Fprintf(h, "\n%x", sha256.Sum256(rc))
	return fmt.Sprintf("%x", h.Sum(nil)), nil
}

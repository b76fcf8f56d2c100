package function

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/imgbuild/imgbuild/internal/lazyregexp"
	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/mirror"
	"github.com/imgbuild/imgbuild/pkg/progress"
	"github.com/imgbuild/imgbuild/pkg/toolbox"
)

// dependencyLayer is the layer with the node_modules of a project for running
// it, or nil where it depends on nothing. One that was made from the same lock
// by the same npm is not made again.
func (m *Maker) dependencyLayer(ctx context.Context, n *nodeBuild, arch string) (*layer.Layer, error) {
	if len(n.project.installs(false)) == 0 {
		return nil, nil
	}
	depends, err := n.project.dependencies()
	if err != nil {
		return nil, err
	}
	key := fmt.Sprintf("function packages 1 %s %s %q %s", depends, n.tools.Key, n.flags(arch, false), m.Compression.ID())
	step := progress.Start(ctx, "npm ci for linux/"+arch, 0)
	if l, ok := layer.Find(m.Store, key); ok {
		step.Cached()
		step.Done(nil)
		return l, nil
	}
	l, err := m.installLayer(ctx, n, arch)
	step.Done(err)
	if err != nil {
		return nil, err
	}
	return l, l.Remember(key)
}

func (m *Maker) installLayer(ctx context.Context, n *nodeBuild, arch string) (*layer.Layer, error) {
	dir, err := m.Store.TempDir("packages-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if err := m.install(ctx, n, dir, arch, false); err != nil {
		return nil, err
	}
	modules := filepath.Join(dir, "node_modules")
	files, err := scan(ctx, modules, false, func(name string, _ bool) (bool, error) {
		// npm's own notes name the registry that the packages came from.
		return name == ".package-lock.json" || name == ".cache", nil
	})
	if err != nil {
		return nil, err
	}
	return m.pack(ctx, codeDir+"/node_modules", files)
}

// install runs npm ci in dir, which is empty, by the project's lock.
func (m *Maker) install(ctx context.Context, n *nodeBuild, dir, arch string, dev bool) error {
	p := n.project
	for name, content := range map[string][]byte{"package.json": p.raw, p.lockName: p.rawLock} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return m.Store.Explain(err)
		}
	}
	// The project's settings by a link: they may have a token in them.
	rc, link := filepath.Join(p.dir, ".npmrc"), filepath.Join(dir, ".npmrc")
	if isFile(rc) {
		if err := os.Symlink(rc, link); err != nil {
			return err
		}
		defer os.Remove(link)
	}
	env, err := m.npmEnv(ctx, n, dir)
	if err != nil {
		return err
	}
	args := append([]string{n.tools.NPM, "ci", "--no-audit", "--no-fund", "--no-update-notifier", "--logs-max=0", "--loglevel=error", "--no-progress"},
		n.flags(arch, dev)...)
	if m.Offline {
		args = append(args, "--offline")
	}
	cmd := toolbox.Command(ctx, n.tools.Node, args...)
	cmd.Dir, cmd.Env = dir, env
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		return fmt.Errorf("npm ci: %w\n%s", err, npmSaid(said.String()))
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); errors.Is(err, fs.ErrNotExist) {
		return os.Mkdir(filepath.Join(dir, "node_modules"), 0o755) // all of it is for other platforms
	}
	return nil
}

// flags are those of npm ci that decide what comes out. All are given, so that
// the user's settings have no say.
func (n *nodeBuild) flags(arch string, dev bool) []string {
	flags := []string{"--os=linux", "--cpu=" + npmArch(arch), "--libc=glibc",
		"--install-strategy=hoisted", "--install-links=false", "--bin-links=true", "--workspaces=false", "--dry-run=false", "--global=false"}
	if dev {
		flags = append(flags, "--include=dev")
	} else {
		flags = append(flags, "--omit=dev", "--include=prod")
	}
	if n.src.AllowScripts {
		return append(flags, "--ignore-scripts=false", "--foreground-scripts", "--dangerously-allow-all-scripts")
	}
	return append(flags, "--ignore-scripts")
}

// npmEnv is npm's environment: this machine's, so that its registry and its
// credentials are found as ever, with the locked Node.js in front of PATH.
func (m *Maker) npmEnv(ctx context.Context, n *nodeBuild, dir string) ([]string, error) {
	settings := m.Mirrors.In(n.project.dir)
	bases, err := settings.Bases(ctx, mirror.NPM)
	if err != nil {
		return nil, err
	}
	env := nodeEnv(n.tools.Node)
	env = append(env, "npm_config_registry="+bases[0].URL+"/", "PWD="+dir)
	if g := settings.NPMGlobalConfig(); g != "" {
		env = append(env, "npm_config_globalconfig="+g)
	}
	return env, nil
}

// nodeEnv is this machine's environment for a Node.js program, without what
// would change how it works.
func nodeEnv(node string) (env []string) {
	for _, kv := range os.Environ() {
		name, value, _ := strings.Cut(kv, "=")
		switch lower := strings.ToLower(name); {
		case strings.HasPrefix(name, "NODE_") && name != "NODE_EXTRA_CA_CERTS", lower == "npm_config_registry", lower == "npm_config_globalconfig", lower == "npm_config_prefix", name == "PREFIX", name == "PWD":
		case name == "PATH":
			env = append(env, "PATH="+filepath.Dir(node)+string(filepath.ListSeparator)+value)
		default:
			env = append(env, kv)
		}
	}
	return env
}

var (
	// inURL is a user, with or without a password, in a URL.
	inURL = lazyregexp.New(`(://)[^/@\s]+@`)
	// tokenText is what looks like a setting with a secret.
	tokenText = lazyregexp.New(`(?i)((?:_authToken|_auth|_password|authorization)\S*\s*[=:]\s*)(?:(?:bearer|basic)\s+)?\S+`)
)

// npmSaid is what npm says of a failure, without its prefix, its advertisements
// and whatever could be a secret.
func npmSaid(s string) string {
	var lines []string
	for line := range strings.Lines(s) {
		line = strings.TrimRight(line, "\n")
		line, _ = strings.CutPrefix(line, "npm error ")
		line, _ = strings.CutPrefix(line, "npm ERR! ")
		if line == "npm error" || strings.Contains(line, "A complete log of this run") || strings.Contains(line, "_logs/") {
			continue
		}
		lines = append(lines, line)
	}
	said := inURL().ReplaceAllString(strings.Join(lines, "\n"), "${1}xxxxx@")
	return head(tokenText().ReplaceAllString(said, "${1}xxxxx"))
}

package mirror

import (
	"cmp"
	"context"
	"encoding/base64"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// npmSource is one layer of npm's configuration.
type npmSource struct {
	from   string
	values map[string]string
}

// npm finds the npm registry and its credentials as npm does: the
// environment, then the project's, the user's and the global .npmrc
// (https://docs.npmjs.com/cli/configuring-npm/npmrc). npm itself is asked only
// where none of them names a registry, since it takes its time.
func (m *machine) npm(ctx context.Context) ([]Base, error) {
	sources := m.npmSources()
	for _, s := range sources {
		if v := s.values["registry"]; v != "" {
			return npmBase(v, s.from, sources)
		}
	}
	v, err := m.ask(ctx, "npm", "config", "get", "registry", "--loglevel=error")
	if err != nil {
		return nil, nil // no npm, or one that does not run: not a place to learn from
	}
	lines := strings.Split(strings.TrimSpace(v), "\n") // notices come before
	return npmBase(lines[len(lines)-1], "npm config get registry", sources)
}

func npmBase(registry, from string, sources []npmSource) ([]Base, error) {
	bases, err := clientBases(NPM, registry, from)
	for i, b := range bases {
		if b.authorization == "" {
			bases[i].authorization = npmAuthorization(b.URL, sources)
		}
	}
	return bases, err
}

func (m *machine) npmSources() []npmSource {
	env := m.npmEnv()
	sources := []npmSource{{"npm's variables", env}}
	user := cmp.Or(env["userconfig"], filepath.Join(m.home, ".npmrc"))
	project := filepath.Join(m.npmProject(), ".npmrc")
	if project != user {
		sources = m.appendNPMRC(sources, project)
	}
	sources = m.appendNPMRC(sources, user)
	if g := env["globalconfig"]; g != "" {
		return m.appendNPMRC(sources, g)
	}
	prefix := env["prefix"]
	for _, s := range sources {
		prefix = cmp.Or(prefix, s.values["prefix"])
	}
	if prefix = cmp.Or(prefix, m.getenv("PREFIX"), m.nodePrefix()); prefix != "" {
		sources = m.appendNPMRC(sources, filepath.Join(prefix, "etc", "npmrc"))
	}
	return m.appendNPMRC(sources, m.path("/etc/npmrc")) // where distributions put it
}

func (m *machine) appendNPMRC(sources []npmSource, path string) []npmSource {
	b, err := os.ReadFile(path)
	if err != nil {
		return sources
	}
	return append(sources, npmSource{"npm configuration (" + path + ")", parseNPMRC(b, m.getenv)})
}

// npmEnv are the variables npm_config_NAME, in whatever case the prefix is.
// Names are lower case with dashes, but for the ones that begin with //.
func (m *machine) npmEnv() map[string]string {
	const prefix = "npm_config_"
	values := map[string]string{}
	for _, kv := range m.environ {
		k, v, ok := strings.Cut(kv, "=")
		if !ok || v == "" || len(k) <= len(prefix) || !strings.EqualFold(k[:len(prefix)], prefix) {
			continue
		}
		if k = k[len(prefix):]; !strings.HasPrefix(k, "//") {
			k = strings.ToLower(k[:1] + strings.ReplaceAll(k[1:], "_", "-"))
		}
		values[k] = v
	}
	return values
}

// npmProject is the nearest folder above with a package.json or node_modules,
// else the working directory.
func (m *machine) npmProject() string {
	for d := m.dir; ; {
		for _, mark := range []string{"package.json", "node_modules"} {
			if _, err := os.Stat(filepath.Join(d, mark)); err == nil {
				return d
			}
		}
		up := filepath.Dir(d)
		if up == d {
			return m.dir
		}
		d = up
	}
}

// nodePrefix is where node is installed: npm's own default for prefix.
func (m *machine) nodePrefix() string {
	node, err := m.look("node")
	if err != nil {
		return ""
	}
	return filepath.Dir(filepath.Dir(node))
}

// npmAuthorization finds the credentials for a registry: they are kept under
// //host/path/:NAME for it or a folder above it
// (https://docs.npmjs.com/cli/configuring-npm/npmrc#auth-related-configuration).
func npmAuthorization(registry string, sources []npmSource) string {
	u, err := url.Parse(registry)
	if err != nil {
		return ""
	}
	get := func(key string) string {
		for _, s := range sources {
			if v := s.values[key]; v != "" {
				return v
			}
		}
		return ""
	}
	for path := strings.TrimRight(u.Path, "/"); ; path = path[:strings.LastIndexByte(path, '/')] {
		// npm writes the slash before the colon and accepts it without.
		for _, at := range []string{"//" + u.Host + path + "/:", "//" + u.Host + path + ":"} {
			if a := authorization(func(name string) string { return get(at + name) }); a != "" {
				return a
			}
		}
		if !strings.Contains(path, "/") {
			return ""
		}
	}
}

func authorization(get func(name string) string) string {
	if t := get("_authToken"); t != "" {
		return "Bearer " + t
	}
	if a := get("_auth"); a != "" {
		return "Basic " + a
	}
	password, err := base64.StdEncoding.DecodeString(get("_password"))
	if user := get("username"); user != "" && err == nil && len(password) > 0 {
		return basic(user, string(password))
	}
	return ""
}

// NPMGlobalConfig is the file of settings for all users of this machine, as its
// own npm finds it, or "" where there is none.
func (m *Mirrors) NPMGlobalConfig() string {
	env := m.machine.npmEnv()
	if g := env["globalconfig"]; g != "" {
		return g
	}
	var places []string
	if prefix := cmp.Or(env["prefix"], m.machine.getenv("PREFIX"), m.machine.nodePrefix()); prefix != "" {
		places = append(places, filepath.Join(prefix, "etc", "npmrc"))
	}
	for _, p := range append(places, m.machine.path("/etc/npmrc")) {
		if _, err := os.Stat(p); err == nil {
			return p
		}
	}
	return ""
}

package mirror

import (
	"cmp"
	"context"
	"encoding/json"
	"strings"
)

// goSettings are those of the go command's that say where modules come from
// and where they are kept (https://go.dev/ref/mod#environment-variables).
var goSettings = []string{
	"GOPROXY", "GOSUMDB", "GONOPROXY", "GONOSUMDB", "GOPRIVATE", "GOINSECURE", "GOVCS", "GOAUTH", "GOMODCACHE", "GOPATH",
}

// GoSettings are the variables under which a go command gets modules as this
// machine's own does: the environment, then what go env -w has written, then
// what the installed Go begins with. Where a Go mirror was named to imgbuild,
// modules come from there, too. Those that nothing sets are not there.
func (m *Mirrors) GoSettings(ctx context.Context) (map[string]string, error) {
	settings := map[string]string{}
	path := m.machine.goenvFile()
	for _, name := range goSettings {
		if v := cmp.Or(m.machine.getenv(name), goenvValue(path, name)); v != "" {
			settings[name] = v
		}
	}
	if named := m.explicit[Go]; named != nil {
		var urls []string
		for _, b := range named {
			urls = append(urls, b.URL)
		}
		settings["GOPROXY"] = strings.Join(urls, ",")
	}
	if settings["GOPROXY"] != "" {
		return settings, nil // asking takes longer than some builds
	}
	own := map[string]string{}
	said, err := m.machine.ask(ctx, "go", "env", "-json", "GOPROXY", "GOSUMDB")
	if cause := context.Cause(ctx); cause != nil {
		return nil, cause
	}
	if err != nil || json.Unmarshal([]byte(said), &own) != nil {
		// No Go here, and so nobody's choice: the mirrors that the images name.
		own = map[string]string{"GOPROXY": publicURLs[Go] + ",direct", "GOSUMDB": "sum.golang.google.cn"}
	}
	for name, v := range own {
		settings[name] = cmp.Or(settings[name], v)
	}
	return settings, nil
}

package function

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// HasHandler says whether the folder of a Node.js function has the handler that
// a template names, index.main, and nothing that would be started in its place:
// no bootstrap, no start script, no server. Every template names a handler, also
// of functions that are servers.
func HasHandler(dir, handler string) bool {
	m := handlerName().FindStringSubmatch(handler)
	if m == nil || !filepath.IsLocal(m[1]) {
		return false
	}
	exists, read := inFolder(dir)
	var manifest struct {
		Scripts map[string]string `json:"scripts"`
	}
	if exists("package.json") && json.Unmarshal([]byte(read("package.json")), &manifest) != nil {
		return false // the build says what is wrong with it
	}
	if exists(bootstrap) || manifest.Scripts["start"] != "" {
		return false
	}
	name := regexp.QuoteMeta(m[2])
	exported := regexp.MustCompile(`(?m)\bexports\.` + name + `\s*=|^\s*export\s+(?:async\s+)?(?:const|let|var|function)\s+` + name + `\b|^\s*export\s*\{[^}]*\b` + name + `\b`)
	for _, e := range slices.Concat(extensions, []string{".ts", ".mts", ".cts"}) {
		if file := m[1] + e; exists(file) {
			text := read(file)
			return exported.MatchString(text) && !serverText().MatchString(strings.TrimSpace(text))
		}
	}
	return false
}

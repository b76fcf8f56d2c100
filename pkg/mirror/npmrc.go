package mirror

import (
	"encoding/json"
	"strings"

	"github.com/imgbuild/imgbuild/internal/lazyregexp"
)

// parseNPMRC reads one .npmrc: NAME = value lines as npm's ini package does
// (https://github.com/npm/ini), with ${VAR} replaced by variables
// (https://docs.npmjs.com/cli/configuring-npm/npmrc). The last of a name wins.
// Sections and arrays mean nothing to npm's registry and are passed over.
func parseNPMRC(b []byte, getenv func(string) string) map[string]string {
	values := map[string]string{}
	section := false
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == ';' || line[0] == '#':
			continue
		case line[0] == '[' && strings.HasSuffix(line, "]"):
			section = true
		}
		name, value, _ := strings.Cut(line, "=")
		name = expand(iniValue(name), getenv)
		if section || name == "" || strings.HasSuffix(name, "[]") {
			continue
		}
		values[name] = expand(iniValue(value), getenv)
	}
	return values
}

// iniValue takes off quotes and a comment that follows.
func iniValue(s string) string {
	s = strings.TrimSpace(s)
	if len(s) >= 2 && s[0] == s[len(s)-1] && (s[0] == '"' || s[0] == '\'') {
		if s[0] == '\'' {
			return s[1 : len(s)-1]
		}
		var v string
		if json.Unmarshal([]byte(s), &v) == nil {
			return v
		}
		return s
	}
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s) && strings.IndexByte(`\;#`, s[i+1]) >= 0:
			i++
			out.WriteByte(s[i])
		case c == ';' || c == '#':
			return strings.TrimSpace(out.String())
		default:
			out.WriteByte(c)
		}
	}
	return strings.TrimSpace(out.String())
}

var variableRE = lazyregexp.New(`\$\{([^${}]+)\}`)

// expand replaces ${VAR}, and ${VAR?} by nothing where VAR is not set; a
// ${VAR} that is not set stays as it is, as with npm.
func expand(s string, getenv func(string) string) string {
	return variableRE().ReplaceAllStringFunc(s, func(ref string) string {
		name, optional := strings.CutSuffix(ref[2:len(ref)-1], "?")
		if v := getenv(name); v != "" || optional {
			return v
		}
		return ref
	})
}

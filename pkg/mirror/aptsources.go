package mirror

import (
	"strings"
)

// parseSourcesList reads one-line entries, sources.list(5) "ONE-LINE-STYLE
// FORMAT": TYPE [ OPTION=VALUE … ] URI SUITE COMPONENT …
func parseSourcesList(b []byte) []aptSource {
	var sources []aptSource
	for line := range strings.Lines(string(b)) {
		line, _, _ = strings.Cut(line, "#")
		typ, rest := word(line)
		if typ != "deb" && typ != "deb-src" {
			continue
		}
		src := aptSource{types: []string{typ}}
		if opts, ok := strings.CutPrefix(rest, "["); ok {
			var closed bool
			opts, rest, closed = strings.Cut(opts, "]")
			if !closed {
				continue
			}
			src.signedBy = listOption(opts, "signed-by")
		}
		var uri, suite string
		uri, rest = word(rest)
		suite, rest = word(rest)
		if uri == "" || suite == "" {
			continue
		}
		src.uris, src.suites, src.components = []string{uri}, []string{suite}, strings.Fields(rest)
		sources = append(sources, src)
	}
	return sources
}

// word cuts the first word off s. As in apt, brackets hold a word together
// (cdrom:[Debian GNU/Linux 13]/) unless they begin it, and so do quotes.
func word(s string) (first, rest string) {
	s = strings.TrimSpace(s)
	depth, quoted := 0, false
	for i, c := range s {
		switch {
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' && i > 0:
			depth++
		case c == ']' && depth > 0:
			depth--
		case (c == ' ' || c == '\t') && depth == 0:
			return strings.ReplaceAll(s[:i], `"`, ""), strings.TrimSpace(s[i:])
		}
	}
	return strings.ReplaceAll(s, `"`, ""), ""
}

func listOption(opts, name string) string {
	for _, o := range strings.Fields(opts) {
		if k, v, ok := strings.Cut(o, "="); ok && strings.EqualFold(strings.TrimRight(k, "+-"), name) {
			return strings.Trim(v, `"`)
		}
	}
	return ""
}

// parseDeb822Sources reads stanzas, sources.list(5) "DEB822-STYLE FORMAT".
func parseDeb822Sources(b []byte) []aptSource {
	var sources []aptSource
	for _, st := range stanzas(string(b)) {
		if v := strings.ToLower(st["enabled"]); v == "no" || v == "false" || v == "off" || v == "0" || v == "without" || v == "disable" {
			continue
		}
		src := aptSource{
			types:      strings.Fields(st["types"]),
			uris:       strings.Fields(st["uris"]),
			suites:     strings.Fields(st["suites"]),
			components: strings.Fields(st["components"]),
			signedBy:   st["signed-by"],
		}
		if len(src.types) > 0 && len(src.uris) > 0 && len(src.suites) > 0 {
			sources = append(sources, src)
		}
	}
	return sources
}

// stanzas are paragraphs of "Field: value" lines, deb822(5): a line that
// begins with a blank goes on with the field before it, one with # is a
// comment. Field names are lower case in the result.
func stanzas(s string) []map[string]string {
	var all []map[string]string
	cur, field := map[string]string{}, ""
	end := func() {
		if len(cur) > 0 {
			all = append(all, cur)
		}
		cur, field = map[string]string{}, ""
	}
	for line := range strings.Lines(s) {
		line = strings.TrimRight(line, " \t\r\n")
		switch {
		case line == "":
			end()
		case line[0] == '#':
		case line[0] == ' ' || line[0] == '\t':
			if field != "" {
				cur[field] = strings.TrimSpace(cur[field] + "\n" + strings.TrimSpace(line))
			}
		default:
			name, value, ok := strings.Cut(line, ":")
			if !ok {
				field = ""
				continue
			}
			field = strings.ToLower(strings.TrimSpace(name))
			cur[field] = strings.TrimSpace(value)
		}
	}
	end()
	return all
}

package mirror

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// netrcEntry is one machine of a netrc(5) file: curl's and Go's ~/.netrc, and
// what apt keeps in auth.conf.
type netrcEntry struct{ machine, login, password string }

// parseNetrc reads "machine NAME login USER password SECRET" in any spacing.
// Macros, which only ftp(1) knows, and lines that begin with # are passed over.
func parseNetrc(b []byte) []netrcEntry {
	var entries []netrcEntry
	var words []string
	macro := false
	for line := range strings.Lines(string(b)) {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0:
			macro = false // a macro ends with an empty line
		case macro || fields[0][0] == '#':
		case fields[0] == "macdef":
			macro = true
		default:
			words = append(words, fields...)
		}
	}
	for i := 0; i < len(words); i++ {
		if words[i] == "default" {
			break // for any host: no place for a secret of ours
		}
		if i+1 == len(words) {
			break
		}
		value := words[i+1]
		if words[i] == "machine" {
			entries = append(entries, netrcEntry{machine: value})
			i++
			continue
		}
		if len(entries) == 0 {
			continue
		}
		switch e := &entries[len(entries)-1]; words[i] {
		case "login":
			e.login = value
			i++
		case "password":
			e.password = value
			i++
		case "account":
			i++
		}
	}
	return entries
}

// netrcAuthorization finds the credentials of a URL. A machine is a host, or
// as in apt_auth.conf(5) [SCHEME://]HOST[:PORT][/PATH]. Without a scheme they
// are for https alone: neither apt nor Go sends a secret in the clear unasked.
func netrcAuthorization(base string, entries []netrcEntry) string {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
		return ""
	}
	for _, e := range entries {
		scheme, machine, ok := strings.Cut(e.machine, "://")
		if !ok {
			scheme, machine = "https", e.machine
		}
		host, path, _ := strings.Cut(machine, "/")
		if scheme != u.Scheme || host != u.Host && host != u.Hostname() || !strings.HasPrefix(u.Path+"/", "/"+path) {
			continue
		}
		if e.login != "" || e.password != "" {
			return basic(e.login, e.password)
		}
	}
	return ""
}

// withNetrc gives places that have no credentials those of netrc files; files
// that are not there have none.
func withNetrc(bases []Base, files ...string) []Base {
	var entries []netrcEntry
	for _, path := range files {
		if b, err := os.ReadFile(path); err == nil {
			entries = append(entries, parseNetrc(b)...)
		}
	}
	for i, b := range bases {
		if b.authorization == "" {
			bases[i].authorization = netrcAuthorization(b.URL, entries)
		}
	}
	return bases
}

// netrc is the user's netrc file, as Go finds it.
func (m *machine) netrc() string {
	if v := m.getenv("NETRC"); v != "" {
		return v
	}
	return filepath.Join(m.home, ".netrc")
}

// aptAuth are apt's files of credentials, apt_auth.conf(5).
func (m *machine) aptAuth() []string {
	files := []string{m.path("/etc/apt/auth.conf")}
	parts, _ := filepath.Glob(filepath.Join(m.path("/etc/apt/auth.conf.d"), "*.conf")) // sorted
	return append(files, parts...)
}

package audit

import (
	"slices"
	"strings"

	"github.com/imgbuild/imgbuild/internal/lazyregexp"
	"github.com/imgbuild/imgbuild/pkg/rootfs/effect"
)

// harmless are words that begin a command and change nothing: the shell's
// grammar, conditions, and messages.
var harmless = map[string]bool{
	"fi": true, "done": true, "esac": true, "}": true, "case": true, "set": true, "exit": true,
	"return": true, ":": true, "true": true, "false": true, "[": true, "test": true,
	"echo": true, "printf": true, "local": true, "shift": true, "command": true,
	// the patterns of `case "$1" in`: how dpkg calls scripts
	"install": true, "configure": true, "upgrade": true, "triggered": true, "reconfigure": true,
	"abort-upgrade": true, "abort-remove": true, "abort-deconfigure": true, "*": true,
	// where redirections go that make no file
	"/dev/null": true, "1": true, "2": true,
}

var (
	assignment = lazyregexp.New(`^[A-Za-z_][A-Za-z0-9_]*=`)
	// lookup is the only substitution that is harmless in any place.
	lookup       = lazyregexp.New("\\$\\(command -v [a-z0-9-]+\\)|`command -v [a-z0-9-]+`")
	substitution = lazyregexp.New("\\$\\(|`")
	shell        = lazyregexp.New(`^#! ?/bin/(sh|bash|dash)( -e)?\s*\n`)
)

// genericEffect recognises scripts that hold nothing but generated sections and
// boilerplate.
func genericEffect(text []byte) (effect, why string) {
	if !shell().Match(text) {
		return "", "it is not a shell script"
	}
	rest, effects, why := stripFragments(text)
	if why != "" {
		return "", why
	}
	if why := onlyCalls(rest, nil); why != "" {
		return "", "it " + why
	}
	if len(effects) == 0 {
		return "none needed: it does nothing", ""
	}
	return join(effects), ""
}

// onlyCalls returns "" if a piece of script calls nothing but what is harmless
// and the commands, and otherwise what it does beyond.
func onlyCalls(text []byte, commands []string) (why string) {
	for _, words := range effect.Commands(text) {
		for _, w := range words {
			if substitution().MatchString(lookup().ReplaceAllString(w.Text, "")) {
				return "runs a substitution: " + excerpt(words)
			}
		}
		name := words[0].Text
		bad := ""
		switch {
		case assignment().MatchString(name):
			// PATH or LD_PRELOAD before a command would change what it is.
			if len(words) > 1 {
				bad = "sets variables for a command: "
			}
		case name == "command":
			if len(words) < 2 || words[1].Text != "-v" {
				bad = "calls "
			}
		case name == ".":
			if len(words) != 2 || words[1].Text != "/usr/share/debconf/confmodule" {
				bad = "reads "
			}
		case harmless[name]:
		case words[0].Dynamic:
			bad = "calls what a variable names: "
		case !slices.Contains(commands, name):
			bad = "calls "
		}
		if bad != "" {
			return bad + excerpt(words)
		}
	}
	return ""
}

// excerpt is the beginning of a command for messages.
func excerpt(words []effect.Word) string {
	var s []string
	for _, w := range words {
		s = append(s, w.Text)
	}
	t := strings.Join(strings.Fields(strings.Join(s, " ")), " ")
	if len(t) > 80 {
		t = strings.ToValidUTF8(t[:77], "") + "…"
	}
	return t
}

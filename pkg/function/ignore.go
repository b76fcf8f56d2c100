package function

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// unwanted never belong to a function, unless .dockerignore takes one back by
// !NAME: what builds it, what watches it, and what is for its author alone.
var unwanted = []string{
	"**/.git", "**/.hg", "**/.svn", "**/node_modules", "**/.env", "**/.env.*", "**/*.log", "**/.DS_Store",
	"**/.gitignore", "**/.gitattributes", "**/.github", "**/.idea", "**/.vscode", "**/*.tsbuildinfo",
	"Dockerfile*", "Containerfile*", "*.Dockerfile", ".dockerignore", ".npmignore", ".nvmrc", ".node-version",
}

// secret files have credentials in them, and are left out in any case.
var secret = []string{"**/.npmrc", "**/.yarnrc.yml", "**/.netrc", "**/.git-credentials"}

// ignored is what stays out of a function's code.
type ignored struct {
	matcher *patternmatcher.PatternMatcher
}

// readIgnored reads .dockerignore, or .npmignore where there is none.
func readIgnored(dir string) (*ignored, error) {
	patterns := append([]string{}, unwanted...)
	own, err := ownPatterns(dir)
	if err != nil {
		return nil, err
	}
	patterns = append(append(patterns, own...), secret...)
	m, err := patternmatcher.New(patterns)
	if err != nil {
		return nil, fmt.Errorf("what %s says to leave out: %w", dir, err)
	}
	return &ignored{m}, nil
}

func ownPatterns(dir string) ([]string, error) {
	f, err := os.Open(filepath.Join(dir, ".dockerignore"))
	if err == nil {
		defer f.Close()
		return ignorefile.ReadAll(f)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	b, err := os.ReadFile(filepath.Join(dir, ".npmignore"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return npmPatterns(string(b)), nil
}

// npmPatterns are a .npmignore's, which are those of .gitignore, in the way of
// .dockerignore: there a name without a slash is one of the top folder.
func npmPatterns(text string) (patterns []string) {
	for line := range strings.Lines(text) {
		p := strings.TrimSpace(line)
		if p == "" || p[0] == '#' {
			continue
		}
		p, not := strings.CutPrefix(p, "!")
		p = strings.TrimSuffix(p, "/")
		if rest, top := strings.CutPrefix(p, "/"); top {
			p = rest
		} else if !strings.Contains(p, "/") {
			p = "**/" + p
		}
		if p == "" || p == "**/" {
			continue
		}
		if not {
			p = "!" + p
		}
		patterns = append(patterns, p)
	}
	return patterns
}

// skip says whether scan leaves the path out. A folder is gone into all the
// same where something in it may be taken back.
func (i *ignored) skip(name string, isDir bool) (bool, error) {
	out, err := i.matcher.MatchesOrParentMatches(filepath.FromSlash(name))
	if err != nil || !out || !isDir || !i.matcher.Exclusions() {
		return out, err
	}
	// What is taken back by name only: nobody wants to walk all of these.
	base := name[strings.LastIndexByte(name, '/')+1:]
	return base == "node_modules" || versionControl(base), nil
}

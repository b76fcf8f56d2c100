package function

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/imgbuild/imgbuild/internal/lazyregexp"
)

// start is how a Node.js function begins.
type start struct {
	Cmd     []string `json:"cmd"`
	Env     []string `json:"env"`
	File    string   `json:"file"`    // the script that is started, relative to the folder
	Handler string   `json:"handler"` // FC_FUNCTION_HANDLER
	From    string   `json:"from"`    // what said so, for messages
}

func (s start) String() string {
	switch {
	case s.Handler != "":
		return fmt.Sprintf("starts the handler %s (%s)", s.Handler, s.From)
	case s.Cmd != nil:
		return fmt.Sprintf("starts %q (%s)", strings.Join(s.Cmd, " "), s.From)
	}
	return "starts /code/" + s.File
}

func isTypeScript(name string) bool {
	return slices.Contains([]string{".ts", ".mts", ".cts"}, path.Ext(name))
}

// defaultScripts are taken where package.json names none.
var defaultScripts = []string{"server", "index", "app"}

var extensions = []string{".js", ".mjs", ".cjs"}

// assignment is NAME=value in front of a command.
var assignment = lazyregexp.New(`^[A-Za-z_][A-Za-z0-9_]*=`)

// findStart says how the function begins; outDir is where compiled files are, if
// not beside their sources. exists says whether a file will be in
// the image. note gets what is passed over.
func (p *project) findStart(outDir string, exists func(name string) bool, read func(name string) string, note func(string, ...any)) (start, bool) {
	if exists(bootstrap) {
		return start{File: bootstrap, From: bootstrap}, true
	}
	if script := p.manifest.Scripts["start"]; script != "" {
		if s, ok := parseStart(script, exists); ok {
			return s, true
		}
		note("package.json: the start script %q is not of the form `node FILE`; it is passed over, as slim images have no shell", script)
	}
	if main := strings.TrimPrefix(p.manifest.Main, "./"); main != "" {
		for _, name := range append([]string{main}, candidates(main)...) {
			if exists(name) {
				return asProgram(name, "package.json's main", read), true
			}
		}
	}
	for _, dir := range []string{"", outDir} {
		for _, stem := range defaultScripts {
			for _, e := range extensions {
				if name := path.Join(dir, stem+e); exists(name) {
					return asProgram(name, "by its name", read), true
				}
			}
		}
	}
	return start{}, false
}

// candidates are the files that Node.js takes for a path without its ending.
func candidates(main string) (names []string) {
	for _, e := range []string{".js", ".mjs", ".cjs", "/index.js"} {
		names = append(names, path.Clean(main)+e)
	}
	return names
}

// handlerText is the export of a handler as Function Compute calls it, and
// serverText what a program that listens has.
var (
	handlerText = lazyregexp.New(`(?m)\bexports\.handler\s*=|^\s*export\s+(?:async\s+)?(?:const|let|var|function)\s+handler\b|^\s*export\s*\{[^}]*\bhandler\b`)
	serverText  = lazyregexp.New(`\.listen\s*\(`)
)

// asProgram starts a file, or calls the handler in it where it is one.
func asProgram(name, from string, read func(string) string) start {
	if text := read(name); handlerText().MatchString(text) && !serverText().MatchString(text) {
		return start{Handler: strings.TrimSuffix(name, path.Ext(name)) + ".handler", File: name, From: from}
	}
	return start{Cmd: []string{"node", name}, File: name, From: from}
}

// parseStart reads [NAME=value…] node [options] FILE [arguments]. Anything that
// takes a shell is not of that form.
func parseStart(script string, exists func(string) bool) (s start, ok bool) {
	if strings.ContainsAny(script, "|&;<>()$`\\\"'*?[]#~%!{}\n") {
		return s, false
	}
	words := strings.Fields(script)
	for len(words) > 0 && assignment().MatchString(words[0]) {
		s.Env, words = append(s.Env, words[0]), words[1:]
	}
	if len(words) < 2 || words[0] != "node" {
		return s, false
	}
	s.Cmd, s.From = words, "package.json's start script"
	for _, w := range words[1:] {
		name := strings.TrimPrefix(path.Clean(w), "./")
		for _, c := range append([]string{name}, candidates(name)...) {
			if !strings.HasPrefix(w, "-") && exists(c) {
				s.File = c
				return s, true
			}
		}
	}
	return s, false
}

// inFolder are exists and read for a folder on this machine.
func inFolder(dir string) (exists func(string) bool, read func(string) string) {
	at := func(name string) string { return filepath.Join(dir, filepath.FromSlash(name)) }
	return func(name string) bool { return filepath.IsLocal(name) && isFile(at(name)) },
		func(name string) string {
			b, _ := os.ReadFile(at(name))
			return string(b)
		}
}

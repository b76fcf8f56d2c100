package function

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Kind is what a function is written in.
type Kind string

// The kinds of functions.
const (
	Go         Kind = "Go"
	Node       Kind = "Node.js"
	TypeScript Kind = "TypeScript"
	// Program is whatever a file called bootstrap starts.
	Program Kind = "program"
)

// UnknownError says that nothing in a folder tells what the function is.
type UnknownError struct{ Dir string }

func (e *UnknownError) Error() string {
	return fmt.Sprintf("%s has no function that is known: there is no go.mod, package.json, tsconfig.json, bootstrap, and no .go, .js or .ts file; "+
		"add one of them, give a finished program with --binary, or write a Dockerfile", e.Dir)
}

// Detect says what the function in a folder is written in, by its files.
func Detect(dir string) (Kind, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	has, ending := map[string]bool{}, map[string]bool{}
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		has[e.Name()] = true
		if !strings.HasSuffix(e.Name(), ".d.ts") {
			ending[filepath.Ext(e.Name())] = true
		}
	}
	typed := has["tsconfig.json"] || ending[".ts"] || ending[".mts"] || ending[".cts"] || ending[".tsx"]
	scripted := ending[".js"] || ending[".mjs"] || ending[".cjs"]
	switch {
	case has["go.mod"]:
		return Go, nil
	case has["package.json"]:
		if typed || wantsTypeScript(filepath.Join(dir, "package.json")) {
			return TypeScript, nil
		}
		return Node, nil
	case typed:
		return TypeScript, nil
	case has["bootstrap"]:
		return Program, nil
	case scripted:
		return Node, nil
	case ending[".go"]:
		if moduleRoot(dir) == "" {
			return "", fmt.Errorf("%s has Go files but neither it nor a folder above has a go.mod; run `go mod init NAME` there", dir)
		}
		return Go, nil
	}
	return "", &UnknownError{dir}
}

// wantsTypeScript says whether a package.json that stands without any
// TypeScript beside it builds from folders with some: it names the compiler.
func wantsTypeScript(path string) bool {
	b, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	var p struct {
		DevDependencies map[string]string `json:"devDependencies"`
	}
	if json.Unmarshal(bytes.TrimPrefix(b, []byte("\ufeff")), &p) != nil || p.DevDependencies["typescript"] == "" {
		return false
	}
	src, err := os.ReadDir(filepath.Join(filepath.Dir(path), "src"))
	if err != nil {
		return false
	}
	for _, e := range src {
		if name := e.Name(); !e.IsDir() && strings.HasSuffix(name, ".ts") && !strings.HasSuffix(name, ".d.ts") {
			return true
		}
	}
	return false
}

// isFile says whether there is a regular file, also by a link.
func isFile(path string) bool {
	fi, err := os.Stat(path)
	return err == nil && fi.Mode().IsRegular()
}

// above returns the nearest folder, from dir upwards, with a file of that
// name, or "".
func above(dir, name string) string {
	for {
		if isFile(filepath.Join(dir, name)) {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			return ""
		}
		dir = up
	}
}

// moduleRoot is the folder of the go.mod that dir belongs to, or "".
func moduleRoot(dir string) string { return above(dir, "go.mod") }

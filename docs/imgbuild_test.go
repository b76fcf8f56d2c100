package docs_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// built is imgbuild as this tree has it, and what it says of itself.
type built struct {
	commands map[string]command // by name; "" is imgbuild itself
	images   []listed
}

// command has the flags of a command, and whether each takes a value.
type command map[string]bool

type listed struct {
	Name    string           `json:"name"`
	Variant string           `json:"variant"`
	Tags    []string         `json:"tags"`
	Sizes   map[string]int64 `json:"sizes"`
}

// imgbuild compiles the command once and asks it for its help and its images.
var imgbuild = sync.OnceValues(func() (*built, error) {
	dir, err := os.MkdirTemp("", "docs-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "imgbuild")
	compile := exec.Command("go", "build", "-o", binary, "./cmd/imgbuild")
	compile.Dir, compile.Env = root, append(os.Environ(), "CGO_ENABLED=0") // as others compile it
	if out, err := compile.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("compiling imgbuild: %w\n%s", err, out)
	}
	ask := func(args ...string) (string, error) {
		cmd := exec.Command(binary, args...)
		cmd.Env = append(os.Environ(), "IMGBUILD_STORE="+filepath.Join(dir, "store"))
		out, err := cmd.Output()
		if err != nil {
			return "", fmt.Errorf("imgbuild %s: %w", strings.Join(args, " "), err)
		}
		return string(out), nil
	}
	help, err := ask("--help")
	if err != nil {
		return nil, err
	}
	b := &built{commands: map[string]command{"": flags(help)}}
	for _, name := range subcommands(help) {
		if help, err = ask(name, "--help"); err != nil {
			return nil, err
		}
		b.commands[name] = flags(help)
	}
	list, err := ask("list", "--json")
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal([]byte(list), &b.images); err != nil {
		return nil, err
	}
	if len(b.commands) < 5 || len(b.commands[""]) < 10 || len(b.images) < 10 {
		return nil, errors.New("imgbuild --help has another form than the test reads")
	}
	return b, nil
})

func theImgbuild(t *testing.T) *built {
	t.Helper()
	b, err := imgbuild()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var (
	flagRE       = regexp.MustCompile(`(?m)^ +(?:-(\w), )?--([a-z][a-z-]*)( [^ \n]+)?(?:  .*)?$`)
	subcommandRE = regexp.MustCompile(`(?m)^  ([a-z-]+) +\S`)
)

func flags(help string) command {
	c := command{}
	for _, m := range flagRE.FindAllStringSubmatch(help, -1) {
		value := m[3] != ""
		c["--"+m[2]] = value
		if m[1] != "" {
			c["-"+m[1]] = value
		}
	}
	return c
}

func subcommands(help string) []string {
	_, after, _ := strings.Cut(help, "Available Commands:\n")
	after, _, _ = strings.Cut(after, "\n\n")
	var names []string
	for _, m := range subcommandRE.FindAllStringSubmatch(after, -1) {
		names = append(names, m[1])
	}
	return names
}

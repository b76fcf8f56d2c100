package gotoolchain

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// download is what `go mod download -json` prints for one module.
type download struct {
	Path    string
	Version string
	Zip     string // absolute path of the zip
	Sum     string // h1:…
	Error   string
}

// goCommand is the machine's Go, with the settings that matter here.
type goCommand struct {
	path string
	// settings are GOPROXY, GOSUMDB and what authenticates to them, as the
	// machine's owner has them (in the environment or by `go env -w`).
	settings map[string]string
}

// downloadTimeout covers a toolchain (80 MB) over a slow line, and unpacking it.
const downloadTimeout = 30 * time.Minute

func findGo(ctx context.Context) (*goCommand, error) {
	path, err := exec.LookPath("go")
	if err != nil {
		return nil, errors.New("locking a Go toolchain needs a go command on PATH, " +
			"which asks Go's checksum database; install Go, or use the lock as it is: a build needs no Go")
	}
	cmd := exec.CommandContext(ctx, path, "env", "-json", "GOPROXY", "GOSUMDB", "GOAUTH")
	cmd.Dir = os.TempDir() // not in a module, whose go.mod could ask for another toolchain
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("asking the go command for its settings: %w: %s", err, brief(stderr.String()))
	}
	g := &goCommand{path: path}
	if err := json.Unmarshal(out, &g.settings); err != nil {
		return nil, fmt.Errorf("asking the go command for its settings: %w", err)
	}
	return g, g.check()
}

// check refuses settings under which nobody vouches for a toolchain. The go
// command itself looks toolchains up in the checksum database even where
// GONOSUMDB matches, but not where GOPROXY is a single folder (useSumDB in
// cmd/go/internal/modfetch/sumdb.go).
func (g *goCommand) check() error {
	if db := g.settings["GOSUMDB"]; db == "off" || db == "" {
		return errors.New("GOSUMDB is off, so nobody vouches for the Go toolchain and it cannot be locked; " +
			"unset GOSUMDB (`go env -u GOSUMDB`), or name the database that your company runs")
	}
	if p := g.settings["GOPROXY"]; strings.HasPrefix(p, "file:") {
		return errors.New("GOPROXY is a folder, for which the go command does not ask the checksum database; " +
			"lock with a module mirror")
	}
	return nil
}

// environment is for a go command that neither sees nor changes anything of
// the user's but how to reach the mirror and the database. GOENV=off keeps
// `go env -w` settings out, as an empty variable would not hide them.
func (g *goCommand) environment(dir, proxy string) []string {
	var env []string
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		// GIT_HTTP_USER_AGENT is the last way to have the lookup skipped.
		if !strings.HasPrefix(name, "GO") && name != "GIT_HTTP_USER_AGENT" && name != "PWD" {
			env = append(env, kv)
		}
	}
	if proxy == "" {
		proxy = g.settings["GOPROXY"]
	}
	env = append(env,
		"GOENV=off", "GOFLAGS=-modcacherw", "GOTOOLCHAIN=local", "GOWORK=off",
		"GOPATH="+dir, "GOMODCACHE="+filepath.Join(dir, "mod"), "GOCACHE="+filepath.Join(dir, "cache"),
		"GOPROXY="+proxy, "GOSUMDB="+g.settings["GOSUMDB"],
		"GOPRIVATE=", "GONOPROXY=", "GONOSUMDB=", "GONOSUMCHECK=", "GOINSECURE=", "GOVCS=*:off")
	if a := g.settings["GOAUTH"]; a != "" {
		env = append(env, "GOAUTH="+a)
	}
	return env
}

// download brings a toolchain into a folder below dir, checked against the database.
func (g *goCommand) download(ctx context.Context, dir, proxy, module string) (download, error) {
	ctx, cancel := context.WithTimeout(ctx, downloadTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, g.path, "mod", "download", "-json", module)
	cmd.Dir = dir
	cmd.Env = g.environment(dir, proxy)
	// An interrupt lets the go command clean up; it is killed if it does not.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = 5 * time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, runErr := cmd.Output()
	if err := context.Cause(ctx); err != nil {
		return download{}, err
	}
	var d download
	if err := json.Unmarshal(out, &d); err != nil {
		return download{}, fmt.Errorf("%w: %s", errors.Join(runErr, err), brief(stderr.String()))
	}
	if d.Error != "" {
		return download{}, errors.New(brief(d.Error))
	}
	if runErr != nil {
		return download{}, fmt.Errorf("%w: %s", runErr, brief(stderr.String()))
	}
	return d, nil
}

// brief makes one line of a command's output: its first lines without the
// progress, where the cause is (what follows is advice).
func brief(s string) string {
	var lines []string
	for l := range strings.Lines(s) {
		if l = strings.TrimSpace(l); l != "" && !strings.HasPrefix(l, "go: downloading ") && len(lines) < 6 {
			lines = append(lines, l)
		}
	}
	return strings.Join(lines, "; ")
}

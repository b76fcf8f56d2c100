package mirror

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// machine is what the look-up of clients reads; tests make one of files in a
// folder of theirs.
type machine struct {
	root    string   // of the file system
	dir     string   // the working directory
	home    string   // the user's
	environ []string // NAME=value
	// look finds a client's program.
	look func(name string) (string, error)
	// ask runs a client and returns its answer, one line.
	ask  func(ctx context.Context, name string, args ...string) (string, error)
	here bool // ask is run
}

func thisMachine() *machine {
	m := &machine{root: "/", environ: os.Environ(), look: exec.LookPath}
	m.home, _ = os.UserHomeDir()
	m.dir, _ = os.Getwd()
	m.ask = m.run
	m.here = true
	return m
}

// in is the machine as a process in dir sees it.
func (m *machine) in(dir string) *machine {
	c := *m
	c.dir = dir
	if c.here {
		c.ask = c.run
	}
	return &c
}

func (m *machine) getenv(name string) string {
	for _, kv := range m.environ {
		if k, v, ok := strings.Cut(kv, "="); ok && k == name {
			return v
		}
	}
	return ""
}

// path is an absolute path on this machine.
func (m *machine) path(abs string) string { return filepath.Join(m.root, abs) }

// clientDeadline is how long a client may take to say what it is configured
// with; npm needs a second on a slow machine.
const clientDeadline = 20 * time.Second

func (m *machine) run(ctx context.Context, name string, args ...string) (string, error) {
	path, err := m.look(name)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, clientDeadline)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = m.dir
	// Another toolchain or an update check would mean a download.
	cmd.Env = append(append([]string{}, m.environ...), "GOTOOLCHAIN=local", "npm_config_update_notifier=false")
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("asking %s: %w", name, err)
	}
	return strings.TrimSpace(string(out)), nil
}

package testtool

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

// Bundle is an image unpacked for runc.
type Bundle struct {
	// Dir has rootfs and config.json.
	Dir   string
	ID    string
	runc  string
	state string
}

// NewBundle unpacks img below dir, with its configuration, the arguments args
// in place of its Cmd (none: Cmd itself) and a network of its own in which
// there is only loopback.
func NewBundle(ctx context.Context, img v1.Image, dir, id string, args ...string) (*Bundle, error) {
	path, err := find("runc")
	if err != nil {
		return nil, err
	}
	b := &Bundle{Dir: dir, ID: id, runc: path, state: filepath.Join(dir, "state")}
	root := filepath.Join(dir, "rootfs")
	if err := os.MkdirAll(root, 0o755); err != nil {
		return nil, err
	}
	if err := unpack(ctx, img, root); err != nil {
		return nil, err
	}
	spec := exec.CommandContext(ctx, path, "spec", "--bundle", dir)
	if out, err := spec.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("runc spec: %w: %s", err, out)
	}
	return b, b.configure(img, args)
}

// unpack writes the image's files with their owners and modes.
func unpack(ctx context.Context, img v1.Image, root string) error {
	flat := mutate.Extract(img)
	defer flat.Close()
	cmd := exec.CommandContext(ctx, "tar", "--extract", "--preserve-permissions", "--numeric-owner", "--same-owner", "--directory", root)
	cmd.Stdin = flat
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("unpacking the image: %w: %s", err, out)
	}
	return nil
}

// configure edits what `runc spec` wrote.
func (b *Bundle) configure(img v1.Image, args []string) error {
	file, err := img.ConfigFile()
	if err != nil {
		return err
	}
	path := filepath.Join(b.Dir, "config.json")
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var spec map[string]any
	if err := json.Unmarshal(data, &spec); err != nil {
		return err
	}
	if len(args) == 0 {
		args = file.Config.Cmd
	}
	process := spec["process"].(map[string]any)
	process["terminal"] = false
	process["args"] = slices.Concat(file.Config.Entrypoint, args)
	process["env"] = file.Config.Env
	process["cwd"] = "/" + strings.TrimPrefix(file.Config.WorkingDir, "/")
	spec["root"] = map[string]any{"path": "rootfs"}
	if data, err = json.Marshal(spec); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o644)
}

// Command is runc with those arguments.
func (b *Bundle) Command(ctx context.Context, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, b.runc, append([]string{"--root", b.state}, args...)...)
}

// Run is the command that runs the container in the foreground.
func (b *Bundle) Run(ctx context.Context) *exec.Cmd {
	return b.Command(ctx, "run", "--bundle", b.Dir, b.ID)
}

// PID is the container's first process, once it runs.
func (b *Bundle) PID(ctx context.Context) (int, error) {
	cmd := b.Command(ctx, "state", b.ID)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("runc state: %w: %s", err, &stderr)
	}
	var s struct {
		PID    int    `json:"pid"`
		Status string `json:"status"`
	}
	if err := json.Unmarshal(out, &s); err != nil {
		return 0, err
	}
	if s.Status != "running" {
		return 0, fmt.Errorf("the container is %s", s.Status)
	}
	return s.PID, nil
}

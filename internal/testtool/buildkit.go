package testtool

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/moby/buildkit/client"
)

// BuildKit is a running buildkitd of the version that tools/go.mod pins. Its
// steps share this machine's network.
type BuildKit struct {
	// Address is unix://… below the folder it was started with, or what
	// --addr of its arguments says.
	Address  string
	dir      string
	programs string
	daemon   *daemon
}

// buildkitPrograms compiles buildctl and buildkitd once, about 100 s on two
// cores where Go's cache does not have them.
var buildkitPrograms = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(ModuleRoot(), "bin")
	cmd := exec.Command("go", "build", "-o", dir+"/", "github.com/moby/buildkit/cmd/buildctl", "github.com/moby/buildkit/cmd/buildkitd")
	cmd.Dir = filepath.Join(ModuleRoot(), "tools")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("compiling buildkitd: %w: %s", err, out)
	}
	return dir, nil
})

// Buildctl is the path of the real buildctl.
func Buildctl(t testing.TB) string {
	t.Helper()
	dir, err := buildkitPrograms()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "buildctl")
}

// StartBuildKit starts buildkitd with everything it keeps below dir, whose path
// must be short: its socket is there. The arguments are added to the usual ones.
func StartBuildKit(dir string, args ...string) (*BuildKit, error) {
	programs, err := buildkitPrograms()
	if err != nil {
		return nil, err
	}
	runc, err := find("runc")
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "buildkitd.toml")
	if err := os.WriteFile(config, nil, 0o644); err != nil { // not this machine's own
		return nil, err
	}
	b := &BuildKit{Address: "unix://" + filepath.Join(dir, "buildkitd.sock"), dir: dir, programs: programs}
	cmd := exec.Command(filepath.Join(programs, "buildkitd"), append([]string{
		"--config", config, "--root", filepath.Join(dir, "root"), "--addr", b.Address,
		"--oci-worker=true", "--oci-worker-binary", runc, "--oci-worker-net", "host", "--containerd-worker=false",
	}, args...)...)
	b.daemon, err = startDaemon(cmd, filepath.Join(dir, "buildkitd.log"), func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		c, err := client.New(ctx, b.Address)
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = c.ListWorkers(ctx)
		return err
	})
	return b, err
}

// BuildKitd is StartBuildKit for one test, which it ends with.
func BuildKitd(t testing.TB, args ...string) *BuildKit {
	t.Helper()
	NeedRoot(t)
	Need(t, "runc", "runc")
	dir, err := os.MkdirTemp("", "bk-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	b, err := StartBuildKit(dir, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// Buildctl is the path of the real buildctl.
func (b *BuildKit) Buildctl() string { return filepath.Join(b.programs, "buildctl") }

// Root is the folder of all that the daemon keeps.
func (b *BuildKit) Root() string { return filepath.Join(b.dir, "root") }

// Log is what the daemon has said.
func (b *BuildKit) Log() string {
	text, _ := os.ReadFile(b.daemon.log)
	return string(text)
}

// Holds returns a file of the daemon's that has a text in it, "" for none: its
// log, and all that it keeps.
func (b *BuildKit) Holds(t testing.TB, text string) string {
	t.Helper()
	return FileWith(t, b.dir, text)
}

// FileWith returns a file below dir that has a text in it, "" for none.
func FileWith(t testing.TB, dir, text string) (found string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || found != "" {
			return nil // what goes away meanwhile holds nothing
		}
		if ok, err := holds(path, text); err == nil && ok {
			found = path
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// holds looks for a text in a file of any size.
func holds(path, text string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	buf := make([]byte, 1<<20)
	kept := 0
	for {
		n, err := f.Read(buf[kept:])
		if bytes.Contains(buf[:kept+n], []byte(text)) {
			return true, nil
		}
		if err != nil {
			return false, nil
		}
		end := kept + n
		kept = min(len(text)-1, end)
		copy(buf, buf[end-kept:end])
	}
}

// PID is the daemon's process.
func (b *BuildKit) PID() int { return b.daemon.cmd.Process.Pid }

// Kill ends the daemon at once, as a machine that loses its power does.
func (b *BuildKit) Kill() {
	_ = b.daemon.cmd.Process.Kill()
	<-b.daemon.done
}

// Close stops the daemon and unmounts what it leaves behind.
func (b *BuildKit) Close() {
	b.daemon.stop()
	unmountBelow(b.dir)
}

// Dir is the folder with everything that the daemon keeps.
func (b *BuildKit) Dir() string { return b.dir }

package testtool

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
)

// Docker is a running dockerd of the test's own, with a client for it. It has
// no bridge: containers get --network host or --network none.
type Docker struct {
	// Socket is the daemon's.
	Socket string
	client string
	config string
	daemon *daemon
}

// StartDocker starts dockerd with everything it keeps below dir, whose path
// must be short: Unix sockets are there.
func StartDocker(dir string) (*Docker, error) {
	path, err := find("dockerd")
	if err != nil {
		return nil, err
	}
	client, err := find("docker")
	if err != nil {
		return nil, err
	}
	d := &Docker{Socket: filepath.Join(dir, "docker.sock"), client: client, config: filepath.Join(dir, "client")}
	settings := filepath.Join(dir, "daemon.json")
	if err := os.WriteFile(settings, []byte("{}\n"), 0o644); err != nil {
		return nil, err
	}
	cmd := exec.Command(path, "--config-file", settings,
		"--data-root", filepath.Join(dir, "data"), "--exec-root", filepath.Join(dir, "exec"),
		"--pidfile", filepath.Join(dir, "docker.pid"), "--host", "unix://"+d.Socket,
		"--bridge", "none", "--iptables=false", "--ip6tables=false")
	d.daemon, err = startDaemon(cmd, filepath.Join(dir, "docker.log"), func() error {
		return d.Command(context.Background(), "version").Run()
	})
	return d, err
}

// Command is the docker client with those arguments. Images are built by the
// daemon's own builder: the client's other one is a plugin that may be absent.
func (d *Docker) Command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, d.client, args...)
	cmd.Env = append(os.Environ(), "DOCKER_HOST=unix://"+d.Socket, "DOCKER_CONFIG="+d.config,
		"DOCKER_BUILDKIT=0", "DOCKER_CONTEXT=", "DOCKER_TLS_VERIFY=", "DOCKER_HIDE_LEGACY_COMMANDS=")
	return cmd
}

// Close stops the daemon and unmounts what it leaves behind.
func (d *Docker) Close() {
	d.daemon.stop()
	unmountBelow(filepath.Dir(d.Socket))
}

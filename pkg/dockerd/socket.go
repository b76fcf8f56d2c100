package dockerd

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Socket is the path of a daemon's Unix socket.
type Socket string

// Find is the socket at which the docker client would look for its daemon, with
// an environment in which getenv looks up: DOCKER_HOST, else the context in use,
// else the usual place. It is false where that is no Unix socket.
func Find(getenv func(string) string) (Socket, bool) {
	host := getenv("DOCKER_HOST")
	if host == "" {
		dir := getenv("DOCKER_CONFIG")
		if dir == "" {
			dir = filepath.Join(getenv("HOME"), ".docker")
		}
		switch name := currentContext(dir, getenv("DOCKER_CONTEXT")); name {
		case "", "default":
			host = "unix:///var/run/docker.sock"
		default:
			host = hostOf(dir, name)
		}
	}
	path, ok := strings.CutPrefix(host, "unix://")
	return Socket(path), ok
}

// currentContext is the name of the client's context in use ("docker context",
// in Docker's documentation of its client): the variable's, else config.json's.
func currentContext(dir, variable string) string {
	if variable != "" {
		return variable
	}
	var config struct {
		CurrentContext string `json:"currentContext"`
	}
	b, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err != nil || json.Unmarshal(b, &config) != nil {
		return ""
	}
	return config.CurrentContext
}

// hostOf is where a context has its daemon, "" where that cannot be told. The
// client keeps it in contexts/meta, in a folder that is named by the hash of the
// context's name (docker/cli, cli/context/store).
func hostOf(dir, name string) string {
	var meta struct {
		Endpoints map[string]struct{ Host string }
	}
	id := sha256.Sum256([]byte(name))
	b, err := os.ReadFile(filepath.Join(dir, "contexts", "meta", hex.EncodeToString(id[:]), "meta.json"))
	if err != nil || json.Unmarshal(b, &meta) != nil {
		return ""
	}
	return meta.Endpoints["docker"].Host
}

// dialLimit is for connections to a process of this machine.
const dialLimit = 10 * time.Second

// Dial connects to the daemon.
func (s Socket) Dial(ctx context.Context) (net.Conn, error) {
	return (&net.Dialer{Timeout: dialLimit}).DialContext(ctx, "unix", string(s))
}

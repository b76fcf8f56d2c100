package buildkit

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/docker/cli/cli/connhelper/commandconn"

	"github.com/imgbuild/imgbuild/pkg/dockerd"
)

// dialDocker opens a connection of dockerd's API that carries BuildKit's: path
// is /grpc or /session (Docker's API, "Start interactive session"; moby's
// api/server/router/grpc).
func dialDocker(ctx context.Context, path, proto string, meta map[string][]string) (net.Conn, error) {
	conn, err := connect(ctx)
	if err != nil {
		return nil, err
	}
	upgraded, err := upgrade(ctx, conn, path, proto, meta)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return upgraded, nil
}

// connect connects to the daemon: by its socket where that is what the docker
// client would do, else through the docker client, which knows of TLS and ssh.
func connect(ctx context.Context) (net.Conn, error) {
	if socket, ok := dockerd.Find(os.Getenv); ok {
		return socket.Dial(ctx)
	}
	if _, err := exec.LookPath("docker"); err != nil {
		return nil, fmt.Errorf("DOCKER_HOST or a docker context names a daemon that is not at a Unix socket, which needs the docker client: %w", err)
	}
	// The connection outlives the context of whoever opens it.
	return commandconn.New(context.WithoutCancel(ctx), "docker", "system", "dial-stdio")
}

// upgrade turns a connection of the API into one of proto.
func upgrade(ctx context.Context, conn net.Conn, path, proto string, meta map[string][]string) (net.Conn, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://docker"+path, nil)
	if err != nil {
		return nil, err
	}
	for k, v := range meta {
		req.Header[http.CanonicalHeaderKey(k)] = v
	}
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", proto)
	if err := conn.SetDeadline(time.Now().Add(dialTimeout)); err != nil {
		return nil, err
	}
	if err := req.Write(conn); err != nil {
		return nil, err
	}
	r := bufio.NewReader(conn)
	res, err := http.ReadResponse(r, req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		defer res.Body.Close()
		said, _ := io.ReadAll(io.LimitReader(res.Body, 4096))
		return nil, fmt.Errorf("dockerd answers %s to %s: %s", res.Status, path, strings.TrimSpace(string(said)))
	}
	return &buffered{Conn: conn, r: r}, conn.SetDeadline(time.Time{})
}

// buffered is a connection of which some bytes have been read already.
type buffered struct {
	net.Conn
	r *bufio.Reader
}

func (b *buffered) Read(p []byte) (int, error) { return b.r.Read(p) }

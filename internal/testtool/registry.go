package testtool

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Registry is a running docker-registry (Debian's build of the CNCF
// distribution server).
type Registry struct {
	// Host is 127.0.0.1:PORT.
	Host   string
	daemon *daemon
}

// StartRegistry starts docker-registry on a free loopback port with its
// content, configuration and log below dir.
func StartRegistry(dir string) (*Registry, error) {
	path, err := find("docker-registry")
	if err != nil {
		return nil, err
	}
	host, err := freeAddress()
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "registry.yml")
	text := fmt.Sprintf("version: 0.1\nlog: {level: warn, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: %q}, delete: {enabled: true}}\nhttp: {addr: %q, secret: test}\n",
		filepath.Join(dir, "registry"), host)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		return nil, err
	}
	cmd := exec.Command(path, "serve", config)
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "REGISTRY_") { // would change the configuration
			cmd.Env = append(cmd.Env, kv)
		}
	}
	client := &http.Client{Timeout: 5 * time.Second}
	d, err := startDaemon(cmd, filepath.Join(dir, "registry.log"), func() error {
		r, err := client.Get("http://" + host + "/v2/")
		if err != nil {
			return err
		}
		r.Body.Close()
		if r.StatusCode != http.StatusOK {
			return fmt.Errorf("/v2/ answers %s", r.Status)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &Registry{Host: host, daemon: d}, nil
}

// Close stops the registry. Its content stays.
func (r *Registry) Close() { r.daemon.stop() }

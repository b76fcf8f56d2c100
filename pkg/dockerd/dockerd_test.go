package dockerd_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/dockerd"
)

// TestFind: the docker client's own rules.
func TestFind(t *testing.T) {
	dir := t.TempDir()
	home := filepath.Join(dir, "home", ".docker")
	for path, text := range map[string]string{
		home + "/config.json":        `{"currentContext":"mine"}`,
		dir + "/other/config.json":   `{}`,
		dir + "/default/config.json": `{"currentContext":"default"}`,
		dir + "/broken/config.json":  `{`,
		meta(home, "mine"):           `{"Name":"mine","Endpoints":{"docker":{"Host":"unix:///run/mine.sock"}}}`,
		meta(home, "far"):            `{"Name":"far","Endpoints":{"docker":{"Host":"ssh://far.example.com"}}}`,
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const usual = "/var/run/docker.sock"
	for _, test := range []struct {
		env  string
		want dockerd.Socket
		ok   bool
	}{
		{"", usual, true},
		{"DOCKER_HOST=unix:///a/b.sock", "/a/b.sock", true},
		{"DOCKER_HOST=tcp://127.0.0.1:2375", "", false},
		{"HOME=" + dir + "/home", "/run/mine.sock", true},
		{"HOME=" + dir + "/home DOCKER_HOST=unix:///a/b.sock", "/a/b.sock", true},
		{"HOME=" + dir + "/home DOCKER_CONTEXT=default", usual, true},
		{"HOME=" + dir + "/home DOCKER_CONTEXT=far", "", false},
		{"HOME=" + dir + "/home DOCKER_CONTEXT=none", "", false},
		{"HOME=" + dir + "/home DOCKER_CONFIG=" + dir + "/other", usual, true},
		{"DOCKER_CONFIG=" + dir + "/default", usual, true},
		{"DOCKER_CONFIG=" + dir + "/broken", usual, true},
	} {
		got, ok := dockerd.Find(func(name string) string {
			for v := range strings.FieldsSeq(test.env) {
				if value, found := strings.CutPrefix(v, name+"="); found {
					return value
				}
			}
			return ""
		})
		if ok != test.ok || ok && got != test.want {
			t.Errorf("with %q the socket is %q, %t; want %q, %t", test.env, got, ok, test.want, test.ok)
		}
	}
}

func meta(dir, name string) string {
	return fmt.Sprintf("%s/contexts/meta/%x/meta.json", dir, sha256.Sum256([]byte(name)))
}

// serve plays a daemon.
func serve(t *testing.T, h http.HandlerFunc) dockerd.API {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return dockerd.Socket(path).API()
}

// TestAnswers: what the daemon says, and what it refuses. A real one is asked in
// the tests of package emulator.
func TestAnswers(t *testing.T) {
	api := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.Method + " " + r.URL.RequestURI() {
		case "GET /images/registry.example.com:5000/team/hello:1/json":
			fmt.Fprint(w, `{"Id":"sha256:1","RepoTags":["hello:1"],"Config":{"ExposedPorts":{"8080/tcp":{}}}}`)
		case "GET /images/broken/json":
			fmt.Fprint(w, `{"Id":`)
		case "POST /containers/x/kill?signal=TERM":
			w.WriteHeader(http.StatusNoContent)
		case "GET /_ping":
			w.WriteHeader(http.StatusBadGateway)
		default:
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprintf(w, `{"message":"no such thing: %s"}`, r.URL.Path)
		}
	})
	img, err := api.Image(t.Context(), "registry.example.com:5000/team/hello:1")
	if _, ok := img.Config.ExposedPorts["8080/tcp"]; err != nil || !ok || img.ID != "sha256:1" || len(img.RepoTags) != 1 {
		t.Errorf("%+v, %v", img, err)
	}
	if err := api.Tell(t.Context(), http.MethodPost, "/containers/x/kill", map[string][]string{"signal": {"TERM"}}); err != nil {
		t.Error(err)
	}
	_, err = api.Image(t.Context(), "none")
	if !dockerd.Missing(err) || !dockerd.Refused(err) || err.Error() != "no such thing: /images/none/json" {
		t.Errorf("an image that is not there: %v", err)
	}
	if err := api.Ping(t.Context()); dockerd.Missing(err) || !dockerd.Refused(err) || err.Error() != "502 Bad Gateway" {
		t.Errorf("a proxy without a daemon: %v", err)
	}
	if _, err := api.Image(t.Context(), "broken"); err == nil || dockerd.Refused(err) {
		t.Errorf("an answer that is cut off: %v", err)
	}
	if err := dockerd.Socket("/none").API().Ping(t.Context()); err == nil || dockerd.Refused(err) {
		t.Errorf("no daemon: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := api.Ping(ctx); err == nil {
		t.Error("a request that was given up succeeds")
	}
}

package e2e

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/mirror"
)

// Other people's frameworks from their registries' packages, as their own first
// examples are written: nothing in them knows of a platform. Each listens where
// it likes, Fastify on loopback alone.
func TestFrameworks(t *testing.T) {
	testtool.NeedRoot(t)
	for _, name := range []string{"express", "fastify", "koa", "gin", "echo", "flask"} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), name)
			if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "frameworks", name))); err != nil {
				t.Fatal(err)
			}
			if name == "flask" {
				// Its packages are Debian's, on an image that has apt.
				layout := filepath.Join(t.TempDir(), "flask.tar")
				buildKit(t).ok(t, "build", dir, "--local-bases=always", "--output", "type=oci,dest="+layout,
					"--build-arg", "DEBIAN="+relay(t).URL(mirror.Debian), "--build-arg", "SECURITY="+relay(t).URL(mirror.DebianSecurity))
				dir = layout
			}
			url := startServing(t, "start", dir, "--port", "0", "--no-watch") + "http/" + name
			for _, c := range []struct{ method, path, body, want string }{
				{"GET", "/", "", "hello from " + strings.ToUpper(name[:1]) + name[1:]},
				{"POST", "/echo", `{"a":1}`, `{"a":1}`},
				{"POST", "/echo", `{"a":"` + strings.Repeat("x", 50000) + `"}`, `xxx"}`},
			} {
				r, err := http.NewRequestWithContext(t.Context(), c.method, url+c.path, strings.NewReader(c.body))
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("Content-Type", "application/json")
				res, err := http.DefaultClient.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(res.Body)
				res.Body.Close()
				if err != nil || res.StatusCode != http.StatusOK || !strings.HasSuffix(strings.TrimSpace(string(body)), c.want) {
					t.Errorf("%s %s: %d %.200q, %v; want %q", c.method, c.path, res.StatusCode, body, err, c.want)
				}
			}
		})
	}
}

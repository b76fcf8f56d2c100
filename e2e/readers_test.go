package e2e

import (
	"archive/tar"
	"bytes"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/imgbuild/imgbuild/internal/testtool"
)

// prepare makes what a page's reader has before the first command: files in a
// checkout, and images in registries.
func (r *reader) prepare(t *testing.T, page string) {
	t.Helper()
	switch page {
	case "docs/check.md":
		pushServer(t, r.cloud.Registry+"/team/hello:1.0")
	case "docs/invoke.md":
		pushServer(t, r.cloud.Registry+"/team/hello:1.0")
		r.call(r.tree).ok(t, "build", "examples/node-handler", "--no-dockerfile", "--output", "type=oci,dest=hello.tar")
		writeFile(t, filepath.Join(r.tree, "event.json"), `{"key":"value"}`)
	case "docs/frontend.md":
		r.call(r.tree).ok(t, "golang:1.27", "--platform", "linux/amd64", "--output", "type=oci,dest=golang.tar")
	case "docs/deploy.md":
		pushServer(t, r.cloud.Registry+"/team/hello:1.4")
	case "docs/start.md":
		dir := r.initialized(t)
		for _, name := range []string{"template.yaml", "s.yaml", "index.js", "package.json"} {
			if err := os.Rename(filepath.Join(dir, name), filepath.Join(r.tree, name)); err != nil {
				t.Fatal(err)
			}
		}
	case "docs/registries.md":
		r.call("").ok(t, "golang:1.27", "--platform", "linux/amd64", "--push", "--registry", "registry.example.com/base")
		r.call(r.tree).ok(t, "golang:1.27", "--platform", "linux/amd64", "--output", "type=oci,dest=golang.tar")
	}
}

// folder is where the commands of a block are run. Where the page says nothing of
// one, it is a checkout of imgbuild, one for all of the page.
func (r *reader) folder(t *testing.T, b block) string {
	t.Helper()
	switch b.page + "#" + b.Heading {
	case "docs/moving.md#An HTTP server":
		return project(t, "testdata/frameworks/express", "shop")
	case "docs/moving.md#The runtime `custom`, with a bootstrap":
		return codePackage(t)
	case "docs/moving.md#A handler of Node.js":
		return project(t, example("node-handler"), "shop")
	case "docs/moving.md#A program built with the Go SDK":
		return sdkProgram(t)
	case "docs/moving.md#A template that goes past the shim":
		return r.initialized(t)
	case "docs/moving.md#An image":
		pushServer(t, r.cloud.Registry+"/team/shop:1.0")
	case "docs/moving.md#Before it goes live":
		return r.pushed(t)
	case "docs/troubleshooting.md#Troubleshooting":
		return project(t, example("node-handler"), "hello")
	case "docs/deploy.md#Deploy":
		return r.deployed(t)
	case "docs/build.md#Without a Dockerfile":
		dir := project(t, example("golang"), "hello")
		remove(t, filepath.Join(dir, "Dockerfile"))
		return dir
	}
	return r.tree
}

// initialized is a folder as `imgbuild init` makes it.
func (r *reader) initialized(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "hello")
	r.call("").ok(t, "init", "node", dir)
	return dir
}

// pushed is initialized with its image in the reader's own namespace.
func (r *reader) pushed(t *testing.T) string {
	t.Helper()
	dir := r.initialized(t)
	for _, name := range []string{"template.yaml", "s.yaml"} {
		replaceIn(t, filepath.Join(dir, name), "/your-namespace/", "/team/")
	}
	r.call(dir).ok(t, "build", "--push", "-t", "registry.cn-hangzhou.aliyuncs.com/team/hello:latest")
	return dir
}

// deployed is a folder with an s.yaml, whose function is also in ./hello.
func (r *reader) deployed(t *testing.T) string {
	t.Helper()
	of := r.pushed(t)
	dir := project(t, of, "all")
	if err := os.Rename(of, filepath.Join(dir, "hello")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// checkout is a copy of this tree.
func checkout(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "imgbuild")
	root := testtool.ModuleRoot()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && slices.Contains([]string{".git", "bin", "dist", "node_modules"}, d.Name()) {
			return fs.SkipDir
		}
		to := filepath.Join(dir, strings.TrimPrefix(path, root))
		switch info, err := d.Info(); {
		case err != nil:
			return err
		case d.IsDir():
			return os.MkdirAll(to, 0o755)
		case d.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(target, to)
		case !d.Type().IsRegular() || info.Size() > 1<<20 && !strings.HasSuffix(path, ".json"): // a program that somebody built
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return os.WriteFile(to, data, info.Mode().Perm())
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// project is a copy of a folder, under another name.
func project(t *testing.T, from, name string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// codePackage is one for the runtime custom: a server on the platform's default
// port, and a bootstrap that starts it.
func codePackage(t *testing.T) string {
	t.Helper()
	dir := write(t, map[string]string{
		"bootstrap":         "#!/usr/bin/env node\nrequire('./server.js')\n",
		"server.js":         "require('node:http').createServer((req, res) => res.end('hello from a package\\n')).listen(process.env.FC_SERVER_PORT || 9000)\n",
		"package.json":      `{"name":"shop","version":"1.0.0"}` + "\n",
		"package-lock.json": `{"name":"shop","version":"1.0.0","lockfileVersion":3,"requires":true,"packages":{"":{"name":"shop","version":"1.0.0"}}}` + "\n",
	})
	if err := os.Chmod(filepath.Join(dir, "bootstrap"), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// sdkProgram is a Go function, and the binary built from it. (It polls the runtime
// API by hand, since the SDK's module cannot be had through every module proxy.)
func sdkProgram(t *testing.T) string {
	t.Helper()
	dir := project(t, "../pkg/shim/runtimeapi/testdata/program", "shop")
	do(t, dir, nil, "go", "mod", "init", "shop")
	do(t, dir, []string{"CGO_ENABLED=0", "GOARCH=amd64"}, "go", "build", "-o", "main", ".")
	return dir
}

// pushServer pushes an image that is not one of ours: a server on port 9000.
func pushServer(t *testing.T, ref string) {
	t.Helper()
	dir := write(t, map[string]string{
		"go.mod": "module shop\n\ngo 1.26\n",
		"main.go": `package main

import (
	"context"
	"io"
	"net/http"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	s := &http.Server{Addr: ":9000", Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.URL.Path == "/invoke" && string(body) == "{" {
			w.Header().Set("x-fc-status", "404")
		}
		w.Write(body)
	})}
	stop, done := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer done()
	go s.ListenAndServe()
	<-stop.Done()
	s.Shutdown(context.Background())
	os.Exit(0)
}
`})
	do(t, dir, []string{"CGO_ENABLED=0", "GOARCH=amd64"}, "go", "build", "-o", "server", ".")
	server, err := os.ReadFile(filepath.Join(dir, "server"))
	if err != nil {
		t.Fatal(err)
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		if err := w.WriteHeader(&tar.Header{Name: "server", Mode: 0o755, Size: int64(len(server))}); err != nil {
			return nil, err
		}
		if _, err := w.Write(server); err != nil {
			return nil, err
		}
		return io.NopCloser(&b), w.Close()
	})
	if err != nil {
		t.Fatal(err)
	}
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		t.Fatal(err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Config.Entrypoint = "linux", "amd64", []string{"/server"}
	if img, err = mutate.ConfigFile(img, config); err != nil {
		t.Fatal(err)
	}
	to, err := name.ParseReference(ref)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(to, img); err != nil {
		t.Fatal(err)
	}
}

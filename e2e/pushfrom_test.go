package e2e

import (
	"encoding/base64"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/crane"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/mirror"
)

// locked is a registry that wants a login: a real one behind a handler that
// asks for user and password.
func locked(t *testing.T, user, password string) (host string, uploads *atomic.Int64) {
	t.Helper()
	behind, err := url.Parse("http://" + freshRegistry(t).Host)
	if err != nil {
		t.Fatal(err)
	}
	uploads = new(atomic.Int64)
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(behind); r.Out.Host = r.In.Host }}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u, p, ok := r.BasicAuth()
		if !ok || u != user || p != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
			http.Error(w, `{"errors":[{"code":"UNAUTHORIZED"}]}`, http.StatusUnauthorized)
			return
		}
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/blobs/uploads/") {
			uploads.Add(1)
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://"), uploads
}

// files is an image that is made in no time: of files alone.
const files = `name: files
title: Files
versions: {series: ["1.2.3"]}
platforms: [linux/amd64, linux/arm64]
variants:
  - name: full
    layers:
      - name: base
        files: [{path: /etc/files, content: "{arch}\n"}]
      - name: same
        files: [{path: /etc/same, content: "same\n"}]
    config: {cmd: [/etc/files]}
`

// Layers with inputs, and one that a command makes of them, are pushed from the
// builder, which had the inputs from the second of its mirrors.
func TestPushFromBuilderRun(t *testing.T) {
	testtool.Whole(t)
	builder := testtool.BuildKitd(t)
	dir := commands(t)
	r := run{env: []string{"BUILDKIT_HOST=" + builder.Address}}
	fallback := "debian=http://127.0.0.1:9/nothing-answers-here," + relay(t).URL(mirror.Debian)
	args := []string{dir, "--platform", "linux/amd64", "--engine", "buildkit", "--builder-mirror", fallback}
	host := freshRegistry(t).Host
	r.store = t.TempDir()
	pushed := r.results(t, append(args, "--push", "--push-from", "builder", "--registry", host+"/base")...)
	r.store = t.TempDir()
	if here := r.results(t, args...); len(pushed) != 1 || pushed[0].Digest != here[0].Digest {
		t.Fatalf("the builder pushed %v, and made %v", pushed, here)
	}
	if got, err := crane.Digest(host + "/base/commands:" + pushed[0].Tags[0]); err != nil || got != pushed[0].Digest {
		t.Errorf("the registry has %s, %v; want %s", got, err, pushed[0].Digest)
	}
}

// What a builder pushes is what is pushed from here, no layer comes here, and
// the login is nowhere on the builder afterwards.
func TestPushFromBuilder(t *testing.T) {
	testtool.Whole(t)
	builder := testtool.BuildKitd(t)
	const user, password = "pusher", "open-sesame-7261"
	host, uploads := locked(t, user, password)
	config := t.TempDir()
	login := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
	if err := os.WriteFile(filepath.Join(config, "config.json"), fmt.Appendf(nil, `{"auths":{%q:{"auth":%q}}}`, host, login), 0o600); err != nil {
		t.Fatal(err)
	}
	store := t.TempDir()
	r := run{store: store, env: []string{"DOCKER_CONFIG=" + config}}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "image.yaml"), []byte(files), 0o644); err != nil {
		t.Fatal(err)
	}
	r.ok(t, "lock", dir, "--update")
	args := []string{dir, "--platform", "linux/amd64,linux/arm64", "--engine", "buildkit", "--buildkit", builder.Address,
		"--push", "--push-from", "builder", "--registry", host + "/base"}
	pushed := r.results(t, args...)
	native := run{store: t.TempDir()}.results(t, dir, "--platform", "linux/amd64,linux/arm64")
	if len(pushed) != 1 || pushed[0].Digest != native[0].Digest {
		t.Fatalf("the builder pushed %v, the native engine makes %v", pushed, native)
	}
	t.Setenv("DOCKER_CONFIG", config)
	for _, tag := range pushed[0].Tags {
		if got, err := crane.Digest(host + "/base/files:" + tag); err != nil || got != pushed[0].Digest {
			t.Errorf("%s names %s, %v; want %s", tag, got, err, pushed[0].Digest)
		}
	}
	// The program that the builder ran is all that was kept here.
	layers := 0
	if err := filepath.WalkDir(filepath.Join(store, "blobs"), func(string, fs.DirEntry, error) error { layers++; return nil }); err != nil {
		t.Fatal(err)
	}
	if layers > 10 {
		t.Errorf("%d files came into the store", layers)
	}
	before := uploads.Load()
	if again := r.results(t, args...); again[0].Digest != pushed[0].Digest || uploads.Load() != before {
		t.Errorf("the second push is %v, with %d uploads", again, uploads.Load()-before)
	}
	t.Run("refused", func(t *testing.T) {
		wrong := r
		wrong.env = []string{"DOCKER_CONFIG=" + t.TempDir()}
		s := wrong.do(t, args...)
		if s.code != 1 || !strings.Contains(s.stderr, host) || s.stdout != "" {
			t.Errorf("exit %d, %q, %q", s.code, s.stdout, s.stderr)
		}
	})
	builder.Close()
	for _, secret := range []string{password, login} {
		if where := builder.Holds(t, secret); where != "" {
			t.Errorf("the login is in %s", where)
		}
	}
}

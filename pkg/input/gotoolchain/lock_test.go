package gotoolchain

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/input/inputtest"
)

func TestGoCommand(t *testing.T) {
	for name, tc := range map[string]struct{ script, want string }{
		"none":        {"", "needs a go command on PATH"},
		"no database": {`echo '{"GOSUMDB":"off","GOPROXY":"https://mirror.example"}'`, "GOSUMDB is off"},
		"a folder":    {`echo '{"GOSUMDB":"db.example","GOPROXY":"file:///srv/go"}'`, "GOPROXY is a folder"},
		"broken":      {`echo oops >&2; exit 3`, "oops"},
		"nonsense":    {`echo oops`, "settings"},
		"fails": {`case $1 in env) echo '{"GOSUMDB":"db.example"}';; *) echo 'go: downloading x
verifying: checksum mismatch' >&2; exit 1;; esac`, "checksum mismatch"},
		"module error": {`case $1 in env) echo '{"GOSUMDB":"db.example"}';; *) echo '{"Error":"not found"}'; exit 1;; esac`, "not found"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			t.Setenv("PATH", dir+":/usr/bin:/bin")
			if tc.script == "" {
				t.Setenv("PATH", dir)
			} else if err := os.WriteFile(filepath.Join(dir, "go"), []byte("#!/bin/sh\n"+tc.script+"\n"), 0o755); err != nil {
				t.Fatal(err)
			}
			st := inputtest.Store(t)
			_, err := Lock(t.Context(), st, "", testVersion, "linux/amd64")
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error with %q", err, tc.want)
			}
			nothingLeft(t, st.Root())
		})
	}
}

// Nothing of the user's settings can switch the verification off.
func TestEnvironment(t *testing.T) {
	for _, name := range []string{"GONOSUMDB", "GONOSUMCHECK", "GOPRIVATE", "GOINSECURE", "GONOPROXY", "GOFLAGS", "GIT_HTTP_USER_AGENT", "GOENV"} {
		t.Setenv(name, "golang.org/*")
	}
	g := &goCommand{settings: map[string]string{"GOPROXY": "https://mirror.example", "GOSUMDB": "db.example", "GOAUTH": "netrc"}}
	env := g.environment("/d", "")
	for _, want := range []string{"GONOSUMDB=", "GONOSUMCHECK=", "GOPRIVATE=", "GOINSECURE=", "GONOPROXY=", "GOFLAGS=-modcacherw",
		"GOENV=off", "GOPROXY=https://mirror.example", "GOSUMDB=db.example", "GOMODCACHE=/d/mod", "GOAUTH=netrc"} {
		if !slices.Contains(env, want) {
			t.Errorf("%s is not in the environment", want)
		}
	}
	for _, kv := range env {
		if strings.Contains(kv, "golang.org/*") {
			t.Errorf("%s came through", kv)
		}
	}
	if env := g.environment("/d", "https://other.example"); !slices.Contains(env, "GOPROXY=https://other.example") {
		t.Error("the given mirror is not used")
	}
}

// newest is the toolchain that real tests use: the newest of this machine's mirror.
func newest(t *testing.T, src Source) string {
	t.Helper()
	series, err := Series(t.Context(), src)
	if err != nil {
		t.Fatal(err)
	}
	version, err := Newest(t.Context(), src, series[0], []string{"linux/amd64", "linux/arm64"})
	if err != nil {
		t.Fatal(err)
	}
	return version
}

func TestRealLock(t *testing.T) {
	testtool.Whole(t)
	st := inputtest.SharedStore(t)
	src := inputtest.Mirror(t, st)
	version := newest(t, src)
	in, err := Lock(t.Context(), st, "", version, "linux/amd64")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", in)
	if !strings.HasPrefix(in.H1, "h1:") || in.ID != "go:"+version+"/linux-amd64" || !slices.Equal(in.SignedBy, []string{ChecksumDatabase}) {
		t.Errorf("%+v", in)
	}
	// The mirror itself has the same bytes as the go command brought.
	empty := inputtest.Store(t)
	h, err := inputtest.Mirror(t, empty).Fetch(t.Context(), in)
	if err != nil || h.Hex != in.SHA256 {
		t.Errorf("fetching what was locked: %s, %v", h, err)
	}
	if size, _ := empty.Has(h); size != in.Size {
		t.Errorf("size %d, the lock has %d", size, in.Size)
	}
	nothingLeft(t, empty.Root())
}

// A mirror that serves another toolchain is found out by the checksum database.
func TestRealLockOfTamperedToolchain(t *testing.T) {
	shared := inputtest.SharedStore(t)
	version := newest(t, inputtest.Mirror(t, shared))
	base, err := url.Parse(inputtest.Base(t, Archive))
	if err != nil {
		t.Fatal(err)
	}
	pass := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(base)
		r.Out.Host = base.Host
	}}
	evil := pack(t, member{name: "!" + prefix(version, "linux/amd64") + "VERSION", content: testVERSION})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, ".zip") {
			w.Write(evil)
			return
		}
		pass.ServeHTTP(w, r)
	}))
	defer server.Close()

	st := inputtest.Store(t)
	_, err = Lock(t.Context(), st, server.URL, version, "linux/amd64")
	if err == nil {
		t.Fatal("a tampered toolchain was locked")
	}
	if !strings.Contains(err.Error(), "checksum mismatch") {
		t.Errorf("got %v", err)
	}
	h, _, _ := v1.SHA256(strings.NewReader(string(evil)))
	if _, ok := st.Has(h); ok {
		t.Error("the store kept it")
	}
	nothingLeft(t, st.Root())
}

func nothingLeft(t *testing.T, root string) {
	t.Helper()
	left, err := os.ReadDir(filepath.Join(root, "tmp"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range left {
		t.Errorf("%s was left behind", e.Name())
	}
}

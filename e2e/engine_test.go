package e2e

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/mirror"
)

// mirrorsOf are the flags that have builders fetch from a server.
func mirrorsOf(url string) (flags []string) {
	for _, archive := range mirror.Archives() {
		flags = append(flags, "--builder-mirror", archive+"="+url+"/"+archive)
	}
	return flags
}

// small is a definition without inputs, with its lock.
func small(t testing.TB) string {
	t.Helper()
	dir := write(t, map[string]string{"image.yaml": `name: small
versions: {series: ["1"]}
platforms: [linux/amd64, linux/arm64]
variants:
  - name: full
    layers:
      - {name: a, files: [{path: /a, content: "a\n"}]}
      - {name: b, files: [{path: "/b-{arch}", content: "b\n"}]}
    config: {cmd: [/a]}
`})
	run{}.ok(t, "lock", dir, "--update")
	return dir
}

// All images, for both platforms, are the same by both engines.
func TestEnginesAreEqual(t *testing.T) {
	r := buildKit(t)
	first, err := sharedBuildKit()
	if err != nil {
		t.Fatal(err)
	}
	second := testtool.BuildKitd(t)
	out := r.ok(t, "compare-engines", "--all", "--json", "--buildkit", first.Address, "--buildkit", second.Address)
	var rows []struct {
		Name, Version, Variant, Platform, Native, BuildKit string
		Equal                                              bool
	}
	if err := json.Unmarshal([]byte(out), &rows); err != nil {
		t.Fatal(err)
	}
	platforms := map[string]int{}
	for _, row := range rows {
		platforms[row.Platform]++
		if !row.Equal || row.Native != row.BuildKit || row.Native == "" {
			t.Errorf("%+v", row)
		}
	}
	if len(rows) < 32 || platforms["linux/amd64"] != platforms["linux/arm64"] {
		t.Errorf("%d images were compared: %v", len(rows), platforms)
	}
}

// A second, empty builder takes all from the cache that the first has left in a
// registry: it asks no mirror for anything. The mirrors' password is on neither
// builder, in no cache and in no output.
func TestEngineCache(t *testing.T) {
	testtool.NeedRoot(t)
	const user, password = "fetcher", "w0rd-of-the-mirror-5521"
	var asked, refused atomic.Int64
	behind := relay(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		asked.Add(1)
		if u, p, ok := req.BasicAuth(); !ok || u != user || p != password {
			refused.Add(1)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		req.Header.Del("Authorization")
		behind.ServeHTTP(w, req)
	}))
	t.Cleanup(server.Close)
	registryDir := t.TempDir()
	testtool.Need(t, "docker-registry", "docker-registry")
	cache, err := testtool.StartRegistry(registryDir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cache.Close)
	want := run{}.ok(t, "golang:1.27", "golang:1.27-slim")
	url := strings.Replace(server.URL, "http://", "http://"+user+":"+password+"@", 1)
	args := append([]string{"golang:1.27", "golang:1.27-slim", "--engine", "buildkit", "--progress", "plain"}, mirrorsOf(url)...)

	first, second := testtool.BuildKitd(t), testtool.BuildKitd(t)
	// Both begin with nothing here: a layer at hand is asked of nobody.
	s := run{store: t.TempDir()}.do(t, append(args, "--buildkit", first.Address, "--cache-to", cache.Host+"/cache/imgbuild")...)
	if s.code != 0 || s.stdout != want {
		t.Fatalf("exit %d, %q, want %q: %s", s.code, s.stdout, want, tail(s.stderr))
	}
	if asked.Load() == 0 || refused.Load() > 0 {
		t.Errorf("the first builder asked %d times, %d without the password", asked.Load(), refused.Load())
	}
	said := s.stderr
	asked.Store(0)
	s = run{store: t.TempDir()}.do(t, append(args, "--buildkit", second.Address, "--cache-from", cache.Host+"/cache/imgbuild")...)
	if s.code != 0 || s.stdout != want {
		t.Fatalf("exit %d, %q, want %q: %s", s.code, s.stdout, want, tail(s.stderr))
	}
	if n := asked.Load(); n > 0 {
		t.Errorf("the second builder asked the mirrors %d times: %s", n, tail(s.stderr))
	}
	if !strings.Contains(s.stderr, "CACHED") {
		t.Errorf("nothing came from the cache: %s", tail(s.stderr))
	}
	for _, b := range []*testtool.BuildKit{first, second} {
		if at := b.Holds(t, password); at != "" {
			t.Errorf("the mirrors' password is in %s", at)
		}
	}
	if strings.Contains(said+s.stderr, password) {
		t.Error("the mirrors' password is in the output")
	}
	if at := testtool.FileWith(t, registryDir, password); at != "" {
		t.Errorf("the mirrors' password is in %s", at)
	}
}

// watched is a running imgbuild.
type watched struct {
	mu     sync.Mutex
	stderr bytes.Buffer
	stdout bytes.Buffer
	done   chan error
	signal func(os.Signal) error
}

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stderr.Write(p)
}

func (w *watched) said() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stderr.String()
}

// start begins a call of imgbuild.
func (r run) start(t testing.TB, args ...string) *watched {
	t.Helper()
	w := &watched{done: make(chan error, 1)}
	cmd := r.command(t, args...)
	cmd.Stderr, cmd.Stdout = w, &w.stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.signal = cmd.Process.Signal
	go func() { w.done <- cmd.Wait() }()
	return w
}

// until waits for a word in what is said.
func (w *watched) until(t testing.TB, word string) {
	t.Helper()
	for end := time.Now().Add(5 * time.Minute); !strings.Contains(w.said(), word); time.Sleep(20 * time.Millisecond) {
		select {
		case err := <-w.done:
			t.Fatalf("it ended before it said %q: %v: %s", word, err, tail(w.said()))
		default:
		}
		if time.Now().After(end) {
			t.Fatalf("it never said %q: %s", word, tail(w.said()))
		}
	}
}

// end waits for the end, and returns the exit code.
func (w *watched) end(t testing.TB) int {
	t.Helper()
	select {
	case err := <-w.done:
		return exitCode(err)
	case <-time.After(10 * time.Minute):
		t.Fatalf("it does not end: %s", tail(w.said()))
	}
	return 0
}

// A builder that dies in the middle of a matrix has its share done by the other.
// Where it is the only one, the error comes within seconds and says so.
func TestBuilderDies(t *testing.T) {
	testtool.NeedRoot(t)
	names := []string{"golang:1.27", "golang:1.27-slim"}
	platforms := []string{"--platform", "linux/amd64,linux/arm64"}
	want := run{}.ok(t, append(names, platforms...)...)
	args := append(append(names, platforms...), "--engine", "buildkit", "--progress", "plain")
	survivor, err := sharedBuildKit()
	if err != nil {
		t.Fatal(err)
	}
	t.Run("one of two", func(t *testing.T) {
		victim := testtool.BuildKitd(t)
		w := run{store: t.TempDir()}.start(t, append(args, "--buildkit", victim.Address, "--buildkit", survivor.Address)...)
		w.until(t, "receive layer")
		victim.Kill()
		if code := w.end(t); code != 0 {
			t.Fatalf("exit %d: %s", code, tail(w.said()))
		}
		if got := w.stdout.String(); got != want {
			t.Errorf("built\n%swant\n%s", got, want)
		}
		if note := "the builder " + victim.Address + " is lost, and its share went to the others"; !strings.Contains(w.said(), note) {
			t.Errorf("it does not say %q: %s", note, tail(w.said()))
		}
	})
	t.Run("the only one", func(t *testing.T) {
		victim := testtool.BuildKitd(t)
		w := run{store: t.TempDir()}.start(t, append(args, "--buildkit", victim.Address)...)
		w.until(t, "fetch ")
		victim.Kill()
		killed := time.Now()
		code := w.end(t)
		if took := time.Since(killed); took > time.Minute {
			t.Errorf("it took %s", took)
		}
		if code != 1 || w.stdout.Len() > 0 || !strings.Contains(w.said(), "no builder is left, and the build is not done") || !strings.Contains(w.said(), victim.Address) {
			t.Errorf("exit %d, %q: %s", code, w.stdout.String(), tail(w.said()))
		}
		if strings.Contains(w.said(), "its share went to the others") {
			t.Error("there are no others")
		}
	})
}

// The BuildKit inside Docker is a builder, too.
func TestEngineInDocker(t *testing.T) {
	d := docker(t)
	want := run{}.ok(t, "golang:1.27-slim")
	r := run{store: t.TempDir(), env: []string{"BUILDKIT_HOST=", "DOCKER_CONTEXT=", "DOCKER_HOST=unix://" + d.Socket}}
	if got := r.ok(t, "golang:1.27-slim", "--engine", "buildkit"); got != want {
		t.Errorf("built %swant %s", got, want)
	}
}

func TestNoBuilder(t *testing.T) {
	dir := small(t)
	r := run{env: []string{"BUILDKIT_HOST=", "DOCKER_CONTEXT=", "DOCKER_HOST=unix:///nowhere"}}
	if _, err := os.Stat("/run/buildkit/buildkitd.sock"); err == nil {
		t.Skip("this machine has a buildkitd")
	}
	s := r.do(t, dir, "--engine", "buildkit")
	for _, want := range []string{"no BuildKit is reachable", "three ways", "start Docker", "start buildkitd", "docker-container://"} {
		if s.code != 1 || s.stdout != "" || !strings.Contains(s.stderr, want) {
			t.Errorf("exit %d, %q, no %q: %s", s.code, s.stdout, want, s.stderr)
		}
	}
	// Of several, one that is not there is told and left out.
	b, err := sharedBuildKit()
	if err != nil {
		t.Fatal(err)
	}
	s = run{store: t.TempDir()}.do(t, dir, "--engine", "buildkit", "--buildkit", "unix:///nowhere/b.sock", "--buildkit", b.Address)
	if s.code != 0 || !strings.Contains(s.stderr, "unix:///nowhere/b.sock does not answer") {
		t.Errorf("exit %d: %s", s.code, s.stderr)
	}
}

// BuildKit's own steps are in the one display, whichever it is.
func TestEngineProgress(t *testing.T) {
	r := buildKit(t)
	dir := small(t)
	r.store = t.TempDir()
	plain := r.do(t, dir, "--engine", "buildkit", "--progress", "plain")
	if plain.code != 0 || !strings.Contains(plain.stderr, "layer a (small 1) for linux/amd64") || !strings.Contains(plain.stderr, "#1 ") {
		t.Errorf("exit %d: %s", plain.code, plain.stderr)
	}
	r.store = t.TempDir()
	raw := r.do(t, dir, "--engine", "buildkit", "--progress", "rawjson")
	vertexes := 0
	for line := range strings.Lines(strings.TrimSpace(raw.stderr)) {
		var status struct{ Vertexes []struct{ Name string } }
		if err := json.Unmarshal([]byte(line), &status); err != nil {
			t.Errorf("%q: %v", line, err)
		}
		for _, v := range status.Vertexes {
			if strings.HasPrefix(v.Name, "layer a") {
				vertexes++
			}
		}
	}
	if raw.code != 0 || vertexes == 0 || raw.stdout != plain.stdout {
		t.Errorf("exit %d, %d statuses of the layer: %s", raw.code, vertexes, tail(raw.stderr))
	}
}

// Ctrl-C ends what the builder does, too.
func TestEngineInterrupted(t *testing.T) {
	r := buildKit(t)
	r.store = t.TempDir()
	const marker = sleeping
	w := r.start(t, commands(t)+":1-sleeping", "--engine", "buildkit", "--progress", "plain")
	w.until(t, " it sleeps\n")
	for end := time.Now().Add(time.Minute); len(processes(t, marker)) == 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the command does not run here")
		}
	}
	if err := w.signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if code := w.end(t); code != 130 || w.stdout.Len() > 0 {
		t.Errorf("exit %d, %q: %s", code, w.stdout.String(), tail(w.said()))
	}
	if took := time.Since(begin); took > time.Minute {
		t.Errorf("it took %s to end", took)
	}
	for end := time.Now().Add(time.Minute); len(processes(t, marker)) > 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the command still runs on the builder")
		}
	}
	if left, err := os.ReadDir(filepath.Join(r.store, "tmp")); err != nil || len(left) > 0 {
		t.Errorf("left in the store: %v, %v", left, err)
	}
}

// processes are the programs that were called with an argument.
func processes(t testing.TB, arg string) (pids []string) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range all {
		if b, err := os.ReadFile(path); err == nil && bytes.Contains(b, []byte("\x00"+arg+"\x00")) {
			pids = append(pids, filepath.Base(filepath.Dir(path)))
		}
	}
	return pids
}

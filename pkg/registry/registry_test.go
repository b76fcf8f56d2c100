package registry_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/imgbuild/imgbuild/pkg/address"
	"github.com/imgbuild/imgbuild/pkg/push"
	"github.com/imgbuild/imgbuild/pkg/registry"
)

// TestMain runs the test binary as a second process where a test asks for one.
func TestMain(m *testing.M) {
	if dir := os.Getenv("REGISTRY_TEST_SERVE"); dir != "" {
		s, err := registry.Start(context.Background(), registry.Options{Dir: dir, Addr: "127.0.0.1:0", Announce: true})
		if err != nil {
			os.Stdout.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
		os.Stdout.WriteString(s.Addr() + "\n")
		s.Wait()
		return
	}
	os.Exit(m.Run())
}

func start(t *testing.T, o registry.Options) *registry.Server {
	t.Helper()
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	s, err := registry.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func image(t *testing.T) v1.Image {
	t.Helper()
	img, err := random.Image(400<<10, 2)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func pushTo(ctx context.Context, host, path string, img v1.Image, tags ...string) (push.Result, error) {
	p, err := push.New()
	if err != nil {
		return push.Result{}, err
	}
	return p.Push(ctx, push.Request{Image: img, Repository: address.Repository{Host: host, Path: path}, Tags: tags})
}

func pull(t *testing.T, ref string, want v1.Image) {
	t.Helper()
	r, err := name.ParseReference(ref)
	if err != nil {
		t.Fatal(err)
	}
	got, err := remote.Image(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(got); err != nil {
		t.Errorf("%s is not whole: %v", ref, err)
	}
	a, _ := got.Digest()
	b, _ := want.Digest()
	if a != b {
		t.Errorf("%s is %s; want %s", ref, a, b)
	}
}

// TestPushedIsServed: what one process pushed, a later server has, and a
// client we did not write copies it.
func TestPushedIsServed(t *testing.T) {
	dir, img := t.TempDir(), image(t)
	addr, closer, err := registry.ForPush(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pushTo(t.Context(), addr, "golang", img, "1.27"); err != nil {
		t.Fatal(err)
	}
	if err := closer(); err != nil {
		t.Fatal(err)
	}
	s := start(t, registry.Options{Dir: dir})
	pull(t, s.Addr()+"/golang:1.27", img)
	out, err := exec.Command("skopeo", "inspect", "--raw", "--tls-verify=false", "docker://"+s.Addr()+"/golang:1.27").Output()
	if err != nil {
		t.Fatalf("skopeo: %v", err)
	}
	if raw, _ := img.RawManifest(); !bytes.Equal(out, raw) {
		t.Errorf("skopeo reads %s; want %s", out, raw)
	}
}

func TestOnlyLoopback(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", ":0", "[::]:0", "10.0.0.1:5050", "registry.example.com:5050", "5050"} {
		s, err := registry.Start(t.Context(), registry.Options{Dir: t.TempDir(), Addr: addr})
		if err == nil {
			s.Close()
			t.Errorf("%s was served", addr)
			continue
		}
		if !strings.Contains(err.Error(), registry.DefaultAddr) {
			t.Errorf("%s: the error does not say what to use: %v", addr, err)
		}
	}
}

func TestForeignHostHeader(t *testing.T) {
	s := start(t, registry.Options{Dir: t.TempDir()})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Addr()+"/v2/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "evil.example.com:5050"
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("a request for another host's name is answered %d", res.StatusCode)
	}
}

func TestAnnouncedServerIsUsed(t *testing.T) {
	dir := t.TempDir()
	s := start(t, registry.Options{Dir: dir, Announce: true})
	addr, closer, err := registry.ForPush(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer closer()
	if addr != s.Addr() {
		t.Errorf("pushes go to %s; want %s, which is served", addr, s.Addr())
	}
	if _, err := registry.Start(t.Context(), registry.Options{Dir: dir, Addr: "127.0.0.1:0", Announce: true}); !errors.Is(err, registry.ErrServed) {
		t.Errorf("a second announced server: %v; want ErrServed", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if at, ok := registry.Serving(dir); ok {
		t.Errorf("after its end the server is still announced at %s", at)
	}
}

// TestKilledServer: the announcement of a server that was killed counts no
// more.
func TestKilledServer(t *testing.T) {
	dir := t.TempDir()
	addr, kill := serveInProcess(t, dir)
	if at, ok := registry.Serving(dir); !ok || at != addr {
		t.Fatalf("Serving = %s, %v; want %s", at, ok, addr)
	}
	kill()
	if at, ok := registry.Serving(dir); ok {
		t.Errorf("a killed server is still announced at %s", at)
	}
	start(t, registry.Options{Dir: dir, Announce: true})
}

func serveInProcess(t *testing.T, dir string) (addr string, kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "REGISTRY_TEST_SERVE="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = sync.OnceFunc(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	t.Cleanup(kill)
	b := make([]byte, 256)
	n, err := out.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b[:n])), kill
}

// TestTwoProcesses: two servers of one folder, in two processes, take the same
// images at the same time, and both have all of them.
func TestTwoProcesses(t *testing.T) {
	dir := t.TempDir()
	other, _ := serveInProcess(t, dir)
	mine := start(t, registry.Options{Dir: dir}).Addr()
	images := []v1.Image{image(t), image(t), image(t), image(t)}
	var wg sync.WaitGroup
	for i, img := range images {
		for _, host := range []string{mine, other} {
			wg.Go(func() {
				if _, err := pushTo(t.Context(), host, "golang", img, "latest", string(rune('a'+i))); err != nil && !strings.Contains(err.Error(), "somebody else moved it") {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	for i, img := range images {
		for _, host := range []string{mine, other} {
			pull(t, host+"/golang:"+string(rune('a'+i)), img)
		}
	}
}

func TestUnwritableFolder(t *testing.T) {
	file := t.TempDir() + "/file"
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := registry.Start(t.Context(), registry.Options{Dir: file, Addr: "127.0.0.1:0"}); err == nil {
		t.Error("a file was served as a folder")
	}
}

// TestPortTaken names the port, and ends the announcement with the error.
func TestPortTaken(t *testing.T) {
	s := start(t, registry.Options{Dir: t.TempDir()})
	dir := t.TempDir()
	_, err := registry.Start(t.Context(), registry.Options{Dir: dir, Addr: s.Addr(), Announce: true})
	if err == nil || !strings.Contains(err.Error(), s.Addr()) {
		t.Errorf("error %v; want one that names %s", err, s.Addr())
	}
	start(t, registry.Options{Dir: dir, Announce: true})
}

func TestContextEndsServer(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s, err := registry.Start(ctx, registry.Options{Dir: t.TempDir(), Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	done := make(chan error, 1)
	go func() { done <- s.Wait() }()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the server did not end with its context")
	}
}

// BenchmarkNothingChanged is what an unchanged image costs: a server started,
// four tags asked for, and the server closed.
func BenchmarkNothingChanged(b *testing.B) {
	dir := b.TempDir()
	img, err := random.Image(1000, 2)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		addr, closer, err := registry.ForPush(b.Context(), dir)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := pushTo(b.Context(), addr, "golang", img, "1", "1.27", "1.27.4", "latest"); err != nil {
			b.Fatal(err)
		}
		if err := closer(); err != nil {
			b.Fatal(err)
		}
	}
}

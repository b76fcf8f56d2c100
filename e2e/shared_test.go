package e2e

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/imgbuild/imgbuild/internal/testtool"
)

// namespace is where the test's registry has its images.
const namespace = "base"

// registry returns the shared docker-registry.
func registry(t testing.TB) *testtool.Registry {
	t.Helper()
	testtool.Need(t, "docker-registry", "docker-registry")
	r, err := sharedRegistry()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var sharedRegistry = sync.OnceValues(func() (*testtool.Registry, error) { return startRegistry("r") })

// freshRegistry returns another, empty docker-registry.
func freshRegistry(t testing.TB) *testtool.Registry {
	t.Helper()
	testtool.Need(t, "docker-registry", "docker-registry")
	r, err := testtool.StartRegistry(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func startRegistry(name string) (*testtool.Registry, error) {
	dir, err := folder(name)
	if err != nil {
		return nil, err
	}
	r, err := testtool.StartRegistry(dir)
	if err == nil {
		cleanUp.add(r.Close)
	}
	return r, err
}

// docker returns the shared dockerd.
func docker(t testing.TB) *testtool.Docker {
	t.Helper()
	testtool.NeedRoot(t)
	testtool.Need(t, "dockerd", "docker.io")
	testtool.Need(t, "docker", "docker.io docker-cli")
	testtool.Need(t, "runc", "runc")
	d, err := sharedDocker()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

var sharedDocker = sync.OnceValues(func() (*testtool.Docker, error) {
	dir, err := folder("d")
	if err != nil {
		return nil, err
	}
	d, err := testtool.StartDocker(dir)
	if err == nil {
		cleanUp.add(d.Close)
	}
	return d, err
})

// relay returns the shared relay to this machine's mirrors.
func relay(t testing.TB) *testtool.Relay {
	t.Helper()
	r, err := sharedRelay()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var sharedRelay = sync.OnceValues(func() (*testtool.Relay, error) {
	r, err := testtool.StartRelay()
	if err == nil {
		cleanUp.add(r.Close)
	}
	return r, err
})

func folder(name string) (string, error) {
	dir := filepath.Join(scratch, name)
	return dir, os.Mkdir(dir, 0o755)
}

// pushed builds all images of the three languages for both platforms, once,
// and pushes them to the shared registry.
func pushed(t testing.TB) []result {
	t.Helper()
	host := registry(t).Host
	everything.Do(func() {
		everythingPushed = run{}.results(t, "golang", "node", "typescript", "--all",
			"--platform", "linux/amd64,linux/arm64", "--push", "--registry", host+"/"+namespace)
	})
	if everythingPushed == nil {
		t.Fatal("building all images failed")
	}
	return everythingPushed
}

var (
	everything       sync.Once
	everythingPushed []result
)

// image is the reference of one of the pushed images: golang:latest-slim.
func image(t testing.TB, nameAndTag string) string {
	t.Helper()
	pushed(t)
	return registry(t).Host + "/" + namespace + "/" + nameAndTag
}

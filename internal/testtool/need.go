// Package testtool finds the real programs that tests run imgbuild's images
// with, and starts and stops them: docker-registry, dockerd, runc. Everything
// is in folders of the test's own, on loopback, and ends with the test.
package testtool

import (
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
)

// Need returns the program's path. Where it is not installed the test is
// skipped, but fails under CI=true: there a missing program is a mistake in
// the machine, not a reason to test less. pkg is the Debian package that has
// the program.
func Need(t testing.TB, program, pkg string) string {
	t.Helper()
	path, err := find(program)
	if err == nil {
		return path
	}
	Lacking(t, "needs "+program+": apt-get install "+pkg)
	return ""
}

// NeedRoot is Need for what only root may do: mounts and namespaces.
func NeedRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		Lacking(t, "needs root")
	}
}

// Lacking skips the test, or fails it under CI=true.
func Lacking(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// find is exec.LookPath which also knows the folders of root's PATH: daemons
// are there.
func find(program string) (string, error) {
	path, err := exec.LookPath(program)
	if err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/local/sbin", "/usr/sbin", "/sbin"} {
		if path, e := exec.LookPath(filepath.Join(dir, program)); e == nil {
			return path, nil
		}
	}
	return "", err
}

// ModuleRoot is the folder of imgbuild's go.mod.
func ModuleRoot() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}

// freeAddress returns HOST:PORT on loopback that was free a moment ago. The port
// is none of those that Linux gives to who asks for any, from 32768 on (ip(7),
// ip_local_port_range): another test could have it before it is listened on.
func freeAddress() (addr string, err error) {
	for range 100 {
		addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(20000+rand.IntN(10000)))
		l, e := net.Listen("tcp", addr)
		if e == nil {
			return addr, l.Close()
		}
		err = e
	}
	return "", err
}

// FreeAddress is HOST:PORT on loopback for a program that is told where to listen.
func FreeAddress(t testing.TB) string {
	t.Helper()
	addr, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

package e2e

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/imgbuild/imgbuild/internal/testtool"
)

// Where nothing runs containers, invoke says why, and what works without: here for
// a plain user in a chroot, in which Linux makes no user namespaces
// (user_namespaces(7)).
func TestInvokeWithoutRuntime(t *testing.T) {
	testtool.NeedRoot(t)
	root := t.TempDir()
	run{}.ok(t, "golang:1.27-slim", "--platform", "linux/amd64", "--output", "type=oci,dest="+filepath.Join(root, "image"))
	program, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "imgbuild"), program, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"home", "proc"} {
		if err := os.Mkdir(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	const nobody = 65534
	if err := os.Chown(filepath.Join(root, "home"), nobody, nobody); err != nil {
		t.Fatal(err)
	}
	proc := filepath.Join(root, "proc")
	if err := unix.Mount("/proc", proc, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(proc, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "/imgbuild", "invoke", "/image")
	cmd.Dir, cmd.Env, cmd.Stderr, cmd.WaitDelay = "/", []string{"HOME=/home", "PATH=/"}, &stderr, time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	err = cmd.Run()
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok || exit.ExitCode() != 1 {
		t.Errorf("%v, want exit status 1", err)
	}
	for _, want := range []string{
		"nothing here runs containers: native: this machine does not let imgbuild run containers",
		"docker is not installed; podman is not installed; nerdctl is not installed",
		"imgbuild invoke DIR --runtime folder",
	} {
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("it does not say %q: %s", want, tail(stderr.String()))
		}
	}
}

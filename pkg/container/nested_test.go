package container_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/container"
	"github.com/imgbuild/imgbuild/pkg/shim/conformance"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// nobody is a plain user's number.
const nobody = 65534

// asNobody is this test program as a plain user would start it.
func asNobody(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	testtool.NeedRoot(t)
	program, err := compiled()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp(scratch, "nobody-*")
	if err != nil {
		t.Fatal(err)
	}
	own := filepath.Join(dir, "test") // go test's own folder is root's
	b, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	for path, f := range map[string]func(string) error{
		own: func(p string) error { return os.WriteFile(p, b, 0o755) },
		dir: func(p string) error { return os.Chown(p, nobody, nobody) },
	} {
		if err := f(path); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), own, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir, "TMPDIR="+dir, "CONTAINER_TEST_PROGRAM="+program)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	return cmd
}

// TestPlainUser runs the other tests as one.
func TestPlainUser(t *testing.T) {
	cmd := asNobody(t, "-test.v", "-test.run", "^(TestWhatRuns|TestSeparate|TestNetworks|TestEnd|TestWhatCannotStart|TestCopied|TestNothingStays|TestOwnersAndTimes|TestUnusedFilesAreSwept)$")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
	for _, name := range []string{"TestWhatRuns", "TestSeparate", "TestNetworks", "TestEnd", "TestWhatCannotStart", "TestCopied", "TestNothingStays"} {
		if !strings.Contains(string(out), "--- PASS: "+name+" ") {
			t.Errorf("%s was not run to its end: %s", name, out)
		}
	}
}

// TestPlainUserIsRootAlone: other users of an image need root.
func TestPlainUserIsRootAlone(t *testing.T) {
	if os.Geteuid() == 0 {
		out, err := asNobody(t, "-test.v", "-test.run", "^TestPlainUserIsRootAlone$").CombinedOutput()
		if err != nil || !strings.Contains(string(out), "--- PASS: TestPlainUserIsRootAlone") {
			t.Errorf("%v: %s", err, out)
		}
		return
	}
	needContainers(t)
	r := unpack(t, openStore(t), programImage(t, v1.Config{User: "12:34"}))
	if _, err := launch(t.Context(), container.Spec{Rootfs: r}); err == nil || !strings.Contains(err.Error(), "run imgbuild as root") {
		t.Errorf("%v", err)
	}
}

// victim is what TestKilled kills: it starts a container, prints its processes,
// and waits.
func victim() {
	err := func() error {
		s, err := store.Open(os.Getenv("CONTAINER_TEST_VICTIM"))
		if err != nil {
			return err
		}
		var t fatal
		r, err := container.Unpack(t.Context(), s, programImage(t, v1.Config{}))
		if err != nil {
			return err
		}
		out := &conformance.Output{}
		c, err := launch(t.Context(), container.Spec{Rootfs: r, Args: []string{"signals", "family"}, Stdout: out})
		if err != nil {
			return err
		}
		for !out.Has("family waits") || !out.Has("child waits") {
			time.Sleep(time.Millisecond)
		}
		pids, err := c.Processes()
		if err != nil {
			return err
		}
		fmt.Println(pids[0], pids[1])
		time.Sleep(time.Minute)
		return errors.New("nobody killed it")
	}()
	fmt.Println("failed:", err)
	os.Exit(1)
}

// fatal is a testing.TB for a process that is no test.
type fatal struct{ testing.TB }

func (fatal) Helper()                  {}
func (fatal) Context() context.Context { return context.Background() }
func (fatal) Fatal(args ...any)        { panic(fmt.Sprint(args...)) }

// TestKilled: when imgbuild is killed its containers end with it.
func TestKilled(t *testing.T) {
	needContainers(t)
	program, err := compiled()
	if err != nil {
		t.Fatal(err)
	}
	root := exec.CommandContext(t.Context(), "/proc/self/exe")
	root.Env = append(os.Environ(), "CONTAINER_TEST_PROGRAM="+program)
	cmds := map[string]*exec.Cmd{"the same user": root}
	if os.Geteuid() == 0 {
		cmds["a plain user"] = asNobody(t)
	}
	for name, cmd := range cmds {
		t.Run(name, func(t *testing.T) {
			dir, err := os.MkdirTemp(scratch, "victim-*")
			if err != nil {
				t.Fatal(err)
			}
			if cmd != root {
				if err := os.Chown(dir, nobody, nobody); err != nil {
					t.Fatal(err)
				}
			}
			cmd.Env = append(cmd.Env, "CONTAINER_TEST_VICTIM="+dir)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			line, err := bufio.NewReader(out).ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			var pids [2]int
			if _, err := fmt.Sscan(line, &pids[0], &pids[1]); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			for _, pid := range pids {
				if err := syscall.Kill(pid, 0); err != nil {
					t.Fatalf("process %d of the container: %v", pid, err)
				}
			}
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			for _, pid := range pids {
				eventually(t, "the container has ended", func() bool { return syscall.Kill(pid, 0) == syscall.ESRCH })
			}
		})
	}
}

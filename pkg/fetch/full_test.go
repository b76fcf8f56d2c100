package fetch

import (
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// TestFullDisk fetches into a store on a disk of one megabyte: a tmpfs that a
// child process mounts in name spaces of its own, which needs no root.
func TestFullDisk(t *testing.T) {
	b := content(3 << 20)
	s := serve(t, func(n int, w http.ResponseWriter, r *http.Request) { whole(w, r, b) })
	st := openStore(t)
	cmd, out := child(t, st, s.URL, input(b), func(cmd *exec.Cmd) {
		cmd.Env = append(cmd.Env, "FETCH_TEST_TMPFS=1m")
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
			UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
		}
	})
	if cmd.Wait() == nil {
		t.Fatal("three megabytes fit on a disk of one")
	}
	for _, want := range []string{
		"fetching thing 1: writing to the store: ", "no space left on device",
		"free space in " + st.Root() + " or set IMGBUILD_STORE",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s lacks %q", out, want)
		}
	}
	if n := len(s.asked()); n != 1 {
		t.Errorf("%d requests: the mirror is not to blame", n)
	}
}

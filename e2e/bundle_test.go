package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/internal/testtool"
)

// A machine that has a bundle and nothing else, no network, no Go, no store,
// builds the same image: with the definition inside imgbuild, and with the one
// out of the bundle.
func TestAirGapped(t *testing.T) {
	testtool.NeedRoot(t)
	unshare := testtool.Need(t, "unshare", "util-linux")
	want := run{}.ok(t, "golang:1.27-slim")
	dir := t.TempDir()
	bundle := filepath.Join(dir, "golang.tar")
	run{}.ok(t, "bundle", "golang", "--platform", "linux/amd64", "--output", bundle)
	gapped := func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), unshare, append([]string{"--net", binary}, args...)...)
		cmd.Dir = dir
		cmd.Env = []string{"HOME=" + dir, "PATH=/usr/bin:/bin", "IMGBUILD_STORE=" + filepath.Join(dir, "store")}
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("imgbuild %s: %v: %s", strings.Join(args, " "), err, tail(stderr.String()))
		}
		return string(out)
	}
	if got := gapped("golang:1.27-slim", "--offline", "--bundle", bundle); got != want {
		t.Errorf("built %s, want %s", got, want)
	}
	gapped("bundle", "unpack", bundle, "unpacked", "--offline")
	// What the go command has compiled is left, for the time it takes.
	for _, part := range []string{"blobs", "records", "partial"} {
		if err := os.RemoveAll(filepath.Join(dir, "store", part)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "store", "go-build")); err != nil {
		t.Fatal(err)
	}
	// Without --offline it finds out for itself.
	if got := gapped("./unpacked:1.27-slim", "--bundle", bundle, "--mirror", "debian=http://127.0.0.1:1/debian", "--mirror", "go=http://127.0.0.1:1"); got != want {
		t.Errorf("what was unpacked builds %s, want %s", got, want)
	}
}

// kill -9 in the middle of a bundle leaves the file that was there before, and
// the next run writes the whole one.
func TestBundleKilled(t *testing.T) {
	run{}.ok(t, "golang:1.27-slim")
	dir := t.TempDir()
	bundle := filepath.Join(dir, "golang.tar")
	args := []string{"bundle", "golang", "--output", bundle}
	reference := run{}.ok(t, args...)
	whole, err := os.Stat(bundle)
	if err != nil {
		t.Fatal(err)
	}
	for _, before := range []string{"", "an old file"} {
		killed := false
		for n := 0; n < 10 && !killed; n++ {
			os.Remove(bundle)
			if before != "" {
				if err := os.WriteFile(bundle, []byte(before), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			killed = kill(t, dir, whole.Size()/4, run{}.command(t, args...))
		}
		if !killed {
			t.Fatal("it always ended before it was killed")
		}
		if b, err := os.ReadFile(bundle); string(b) != before || (err != nil) != (before == "") {
			t.Errorf("%d bytes are at the bundle's name, %v", len(b), err)
		}
	}
	if again := (run{}).ok(t, args...); again != reference {
		t.Errorf("after the kill it is %s, was %s", again, reference)
	}
	if now, err := os.Stat(bundle); err != nil || now.Size() != whole.Size() {
		t.Errorf("after the kill: %v, %v", now, err)
	}
}

// kill ends the command when a file of size bytes is in dir. It says false where
// the command was quicker.
func kill(t *testing.T, dir string, size int64, cmd *exec.Cmd) bool {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			info, err := e.Info()
			if err == nil && strings.HasPrefix(e.Name(), ".") && info.Size() >= size {
				_ = cmd.Process.Signal(syscall.SIGKILL) // it may have ended
				if err := <-ended; err == nil {
					return false
				}
				if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
					t.Fatal(err)
				}
				return true
			}
		}
		select {
		case err := <-ended:
			if err != nil {
				t.Fatal(err)
			}
			return false
		default:
		}
		if time.Now().After(end) {
			cmd.Process.Kill()
			t.Fatal("nothing was written")
		}
	}
}

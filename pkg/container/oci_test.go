package container_test

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/container"
)

// TestOCIRuntimes runs the other tests with each of them.
func TestOCIRuntimes(t *testing.T) {
	testtool.Whole(t)
	const (
		any      = "TestWhatRuns|TestOneOutput|TestSeparate|TestLinkedFolder|TestNetworks|TestEnd|TestWhatCannotStart|TestCopied|TestNothingStays"
		rootOnly = "|TestUsers|TestStartGivenUp|TestKilled"
		limits   = "|TestGroup"
		// A machine may have control groups of the second version only. Where it
		// has both, those limit nothing.
		unified = `umount -R /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup && exec "$0" "$@"`
	)
	flags := func(tests string) []string { return []string{"-test.v", "-test.run", "^(" + tests + ")$"} }
	own := "/proc/" + strconv.Itoa(os.Getpid()) + "/exe"
	for _, name := range []string{"runc", "crun"} {
		testtool.Need(t, name, name)
		path, err := container.FindRuntime(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, test := range []struct {
			name, tests string
			cmd         *exec.Cmd
		}{
			{"root", any + rootOnly + limits, exec.CommandContext(t.Context(), own, flags(any+rootOnly+limits)...)},
			{"a plain user", any, asNobody(t, flags(any)...)},
			{"one version", any + rootOnly, exec.CommandContext(t.Context(), "unshare", append([]string{"--mount", "sh", "-c", unified, own}, flags(any+rootOnly)...)...)},
		} {
			t.Run(name+"/"+test.name, func(t *testing.T) {
				if test.cmd.Env == nil {
					test.cmd.Env = os.Environ()
				}
				test.cmd.Env = append(test.cmd.Env, "CONTAINER_TEST_RUNTIME="+path)
				out, err := test.cmd.CombinedOutput()
				if err != nil {
					t.Errorf("%v: %s", err, out)
				}
				for want := range strings.SplitSeq(test.tests, "|") {
					if !strings.Contains(string(out), "--- PASS: "+want+" ") {
						t.Errorf("%s was not run to its end: %s", want, out)
					}
				}
			})
		}
	}
	if _, err := container.FindRuntime("no-such"); err == nil || err.Error() != "no-such is not installed" {
		t.Errorf("a runtime that is not there: %v", err)
	}
}

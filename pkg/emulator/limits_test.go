package emulator_test

import (
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/container/cgroup"
	"github.com/imgbuild/imgbuild/pkg/emulator"
	"github.com/imgbuild/imgbuild/pkg/template"
)

// needGroups is for machines that give no control groups.
func needGroups(t testing.TB) {
	t.Helper()
	g, lacking := cgroup.New(cgroup.Limits{Memory: 1 << 30, CPU: 1})
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	if lacking != nil {
		testtool.Lacking(t, lacking.Error())
	}
}

// TestNativeMemory: Linux kills who takes more than the function has, and the
// caller reads the platform's error with the reason.
func TestNativeMemory(t *testing.T) {
	needGroups(t)
	rt := native(t)
	e := play(t, template.Function{Memory: 64, Timeout: time.Minute}, rt, emulator.Options{})
	r := invoke(t, e, "take 20")
	says(t, r, "took 20 MB")
	if r.Memory < 20<<20 || r.Memory > 64<<20 {
		t.Errorf("%d bytes for 20 MB and the program", r.Memory)
	}
	r = invoke(t, e, "take 100")
	fails(t, r, 502, emulator.UnhandledInvocationError)
	if text := string(r.Body); !strings.Contains(text, "Process exited unexpectedly before completing request (signal 9): out of memory: here the function has 64 MB") {
		t.Errorf("the error is %s", text)
	}
	if r.Memory != 64<<20 {
		t.Errorf("it took %d bytes, of which it had 64 MB", r.Memory)
	}
	if r := invoke(t, e, "take 20"); string(r.Body) != "took 20 MB" || !r.Cold {
		t.Errorf("the next call: cold %t, %q %s", r.Cold, r.Body, r.ErrorType)
	}

	e = play(t, template.Function{Memory: 64, Timeout: time.Minute, Command: []string{"take 100"}}, rt, emulator.Options{})
	r = invoke(t, e, "")
	fails(t, r, 412, emulator.CAExited)
	if text := string(r.Body); !strings.Contains(text, "(code 137) before it listened: out of memory: here the function has 64 MB") {
		t.Errorf("the error of a start is %s", text)
	}
}

// TestNativeCPU: the function gets its share and no more, and sees it.
func TestNativeCPU(t *testing.T) {
	needGroups(t)
	e := play(t, template.Function{CPU: 0.35, Timeout: time.Minute}, native(t), emulator.Options{})
	v1, v2 := invoke(t, e, "file /sys/fs/cgroup/cpu/cpu.cfs_quota_us"), invoke(t, e, "file /sys/fs/cgroup/cpu.max")
	if string(v1.Body) != "35000\n" && string(v2.Body) != "35000 100000\n" {
		t.Errorf("the container sees of its CPU: %q, %q", v1.Body, v2.Body)
	}
	if r := invoke(t, e, "write /sys/fs/cgroup/cpu/cgroup.procs"); !strings.Contains(string(r.Body), "read-only file system") && !strings.Contains(string(r.Body), "no such file") {
		t.Errorf("the container writes to its group: %q", r.Body)
	}
	r := invoke(t, e, "burn 200ms") // 5.7 periods of 100 ms
	if r.Failed() || r.Duration < 400*time.Millisecond {
		t.Errorf("200 ms of a core took %s at 0.35 cores; %s", r.Duration, r.Body)
	}
}

// TestNativeFrozen: a frozen instance uses no CPU, goes on when it is thawed,
// and can be killed in between.
func TestNativeFrozen(t *testing.T) {
	fn := template.Function{Memory: 128, Port: 9000, Command: []string{"spin"}}
	r, err := native(t).Start(t.Context(), emulator.Spec{Function: &fn, ID: "c-1", Output: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	all, err := r.(interface{ Processes() ([]int, error) }).Processes()
	if err != nil || len(all) != 1 {
		t.Fatalf("its processes are %v, %v", all, err)
	}
	until(t, "it runs", func() bool { return used(t, all[0]) > 0 })
	for range 3 {
		if err := r.Freeze(t.Context()); err != nil {
			t.Fatal(err)
		}
		before := used(t, all[0])
		time.Sleep(200 * time.Millisecond)
		if after := used(t, all[0]); after != before {
			t.Errorf("it was frozen, and has used %d ticks of CPU, and then %d", before, after)
		}
		if err := r.Thaw(t.Context()); err != nil {
			t.Fatal(err)
		}
		until(t, "it goes on", func() bool { return used(t, all[0]) > before })
	}
	if err := r.Freeze(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if code := r.Code(); code != 137 {
		t.Errorf("exit code %d", code)
	}
}

// used is the CPU that a process has used, in ticks of 10 ms: utime and stime of
// /proc/PID/stat (proc_pid_stat(5)).
func used(t testing.TB, pid int) (ticks int) {
	t.Helper()
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	for _, v := range f[11:13] {
		n, err := strconv.Atoi(v)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return ticks
}

// TestNativeUnlimited: where this process may make no groups, a function runs as
// it did without, and the log says so once.
func TestNativeUnlimited(t *testing.T) {
	testtool.NeedRoot(t)
	if os.Getenv("EMULATOR_TEST_UNLIMITED") == "" {
		for name, hide := range map[string]string{
			"read-only": "while read _ at kind _; do case $kind in cgroup*) mount -o remount,bind,ro $at;; esac; done < /proc/self/mounts",
			"hidden":    "mount -t tmpfs none /sys/fs/cgroup",
		} {
			cmd := exec.CommandContext(t.Context(), "unshare", "--mount", "sh", "-ec", hide+`; exec "$0" -test.v -test.run '^TestNativeUnlimited$'`, "/proc/"+strconv.Itoa(os.Getpid())+"/exe")
			cmd.Env = append(os.Environ(), "EMULATOR_TEST_UNLIMITED=1")
			if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "PASS: TestNativeUnlimited") {
				t.Errorf("%s: %v\n%s", name, err, out)
			}
		}
		return
	}
	var log lockedBuffer
	e := play(t, template.Function{Memory: 64, CPU: 0.5, Timeout: time.Minute}, native(t), emulator.Options{Log: &log, FreezeAfter: time.Millisecond})
	says(t, invoke(t, e, "take 100"), "took 100 MB")
	until(t, "a freeze", func() bool { return slices.ContainsFunc(processes(t, "FC_FUNCTION_MEMORY_SIZE=64"), stopped) })
	says(t, invoke(t, e, "say thawed"), "thawed")
	invoke(t, e, "exit 1")
	if r := invoke(t, e, "say again"); !r.Cold || r.Failed() {
		t.Errorf("another instance: %+v", r)
	}
	if text := log.String(); strings.Count(text, "memory and CPU: not limited here, as no control group can be had: ") != 1 || !strings.Contains(text, "run imgbuild as root") {
		t.Errorf("the log says %s", text)
	}
}

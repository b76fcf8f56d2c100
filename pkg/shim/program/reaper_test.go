package program

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestManyPrograms: each of many programs that start and end at once gets its
// own exit code.
func TestManyPrograms(t *testing.T) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	c, err := Resolve([]string{"sh", "-c", ""}, os.Environ())
	if err != nil {
		t.Fatal(err)
	}
	const workers, each = 8, 100
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			for i := range each {
				want := (w*each + i) % 256
				own := *c
				own.Argv = []string{"sh", "-c", fmt.Sprintf("exit %d", want)}
				p, err := Start(&own, nil, [3]*os.File{null, null, null})
				if err != nil {
					t.Error(err)
					return
				}
				if !p.waitFor(20 * time.Second) {
					t.Errorf("process %d was not waited for", p.PID())
					return
				}
				if got := p.Code(); got != want {
					t.Errorf("exit code %d, want %d", got, want)
				}
			}
		})
	}
	all.Wait()
	children.mu.Lock()
	defer children.mu.Unlock()
	if n := len(children.byPID); n != 0 {
		t.Errorf("%d processes are remembered", n)
	}
}

// TestOrphans: this process adopts orphans and waits for them, while it starts
// and waits for programs of its own.
func TestOrphans(t *testing.T) {
	AdoptOrphans()
	// The last one gives its first parent, which is ending, time to be gone.
	p, output := begin(t, "sh", "-c", `export want=$PPID
		i=0; while [ $i -lt 1000 ]; do ( : & ); i=$((i+1)); done
		(sh -c 'i=0; while p=$(cut -d" " -f4 /proc/$$/stat); [ $p != $want ] && [ $i -lt 100 ]; do i=$((i+1)); sleep 0.1; done; echo $p' &)`)
	for range 50 {
		if own, _ := run(t, "sh", "-c", "exit 3"); own.Code() != 3 {
			t.Fatalf("the exit code of a program beside orphans is %d", own.Code())
		}
	}
	out := output() // of the last orphan, which lives longest
	if got := strings.TrimSpace(out); p.Code() != 0 || got != strconv.Itoa(os.Getpid()) {
		t.Errorf("exit code %d; the orphan's parent is %q, want %d", p.Code(), got, os.Getpid())
	}
	eventually(t, "no zombies", func() bool { return len(Descendants(os.Getpid())) == 0 })
}

func TestCodes(t *testing.T) {
	for command, want := range map[string]struct {
		code   int
		ending string
	}{
		"true":                   {0, "ended with exit code 0"},
		"exit 255":               {255, "ended with exit code 255"},
		"kill -9 $$":             {137, "was ended by signal 9 (killed)"},
		"kill -10 $$":            {138, "was ended by signal 10 (user defined signal 1)"},
		"ulimit -c 0; kill -6 0": {134, "was ended by signal 6 (aborted)"},
		"kill -40 $$":            {168, "was ended by signal 40 (signal 40)"},
	} {
		if p, _ := run(t, "sh", "-c", command); p.Code() != want.code || p.Ending() != want.ending {
			t.Errorf("%s: %d, %s", command, p.Code(), p.Ending())
		}
	}
}

// TestStopped: a program that is stopped and continued has not ended.
func TestStopped(t *testing.T) {
	p, _ := begin(t, "sleep", "60")
	p.Signal(syscall.SIGSTOP)
	eventually(t, "it is stopped", func() bool { s, _ := readStat(p.PID()); return s.state == 'T' })
	p.Signal(syscall.SIGCONT)
	eventually(t, "it goes on", func() bool { s, _ := readStat(p.PID()); return s.state == 'S' })
	if p.hasEnded() {
		t.Error("it is taken for ended")
	}
	p.Signal(syscall.SIGTERM)
	if p.Code() != 143 {
		t.Errorf("exit code %d", p.Code())
	}
	p.Signal(syscall.SIGTERM) // nobody gets it
}

// TestKill: what has left the process group is ended, too.
func TestKill(t *testing.T) {
	p, output := begin(t, "sh", "-c", "trap '' TERM; setsid sh -c 'trap \"\" TERM; echo ready; sleep 60; :' & sleep 60; :")
	eventually(t, "five processes", func() bool { return len(Descendants(p.PID())) >= 3 })
	below := Descendants(p.PID())
	p.Signal(syscall.SIGTERM)
	if p.waitFor(50 * time.Millisecond) {
		t.Error("it did not outlive SIGTERM")
	}
	p.Kill()
	if p.Code() != 137 || p.Explain(false) != "" {
		t.Errorf("exit code %d, %q", p.Code(), p.Explain(false))
	}
	output() // ends when all that hold the pipe have ended
	for _, pid := range below {
		eventually(t, "all have ended", func() bool { return len(living([]int{pid})) == 0 })
	}
}

// TestKillAll: a daemon whose parents have gone is ended.
func TestKillAll(t *testing.T) {
	AdoptOrphans()
	p, output := begin(t, "sh", "-c", "(setsid sleep 60 &)")
	if p.Code() != 0 {
		t.Fatal(p.Ending())
	}
	eventually(t, "the daemon is here", func() bool { return len(living(Descendants(os.Getpid()))) == 1 })
	KillAll()
	output()
}

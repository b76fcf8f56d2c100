package clock

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

const asWaiter = "IMGBUILD_TEST_WAIT"

func TestMain(m *testing.M) {
	if os.Getenv(asWaiter) != "" {
		done, _ := After(time.Second)
		fmt.Println("waits")
		<-done
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestAfter(t *testing.T) {
	start := time.Now()
	done, stop := After(250 * time.Millisecond)
	defer stop()
	<-done
	if d := time.Since(start); d < 250*time.Millisecond {
		t.Errorf("it took %s", d)
	}
	done, stop = After(50 * time.Millisecond)
	stop()
	stop()
	select {
	case <-done:
		t.Error("it fired after it was stopped")
	case <-time.After(200 * time.Millisecond):
	}
	done, stop = After(0)
	defer stop()
	<-done
}

// TestFrozen: a process that is stopped for longer than it waits goes on
// waiting when it is continued.
func TestFrozen(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asWaiter+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Process.Signal(syscall.SIGSTOP)
	time.Sleep(1500 * time.Millisecond)
	thawed := time.Now()
	_ = cmd.Process.Signal(syscall.SIGCONT)
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(thawed); d < 500*time.Millisecond {
		t.Errorf("it ended %s after the thaw", d)
	}
}

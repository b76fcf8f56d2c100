package program

import (
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// inPieces is the argument with which the test's binary ends its first thread,
// and the others half a second later, as Linux does to a program that it takes
// apart on a busy machine.
const inPieces = "-end-in-pieces"

func init() {
	if len(os.Args) == 2 && os.Args[1] == inPieces {
		runtime.LockOSThread() // the first, in init
		go func() {
			time.Sleep(500 * time.Millisecond)
			os.Exit(7)
		}()
		_, _, _ = syscall.Syscall(syscall.SYS_EXIT, 0, 0, 0)
	}
}

// TestEnds: a program that is being taken apart is waited for, another is not.
func TestEnds(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p, _ := begin(t, self, inPieces)
	eventually(t, "its first thread has ended", func() bool { s, _ := readStat(p.PID()); return s.exiting })
	if !p.Ends(0) || p.Code() != 7 {
		t.Error("it was not waited for")
	}
	lives, _ := begin(t, "sleep", "60")
	if began := time.Now(); lives.Ends(0) || time.Since(began) > takenApart {
		t.Error("a program that lives is taken for one that ends")
	}
}

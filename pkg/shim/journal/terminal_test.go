package journal

import (
	"fmt"
	"os"
	"syscall"
	"testing"
	"unsafe"
)

// terminal opens a pseudo-terminal (pty(7)).
func terminal(t testing.TB) (master, slave *os.File) {
	t.Helper()
	const unlock, number = 0x40045431, 0x80045430 // TIOCSPTLCK, TIOCGPTN
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := descriptor(master)
	if err != nil {
		t.Fatal(err)
	}
	var locked, n int32
	if err := ioctl(fd, unlock, unsafe.Pointer(&locked)); err != nil {
		t.Fatal(err)
	}
	if err := ioctl(fd, number, unsafe.Pointer(&n)); err != nil {
		t.Fatal(err)
	}
	if slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close(); master.Close() })
	return master, slave
}

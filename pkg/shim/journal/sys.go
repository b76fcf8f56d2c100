package journal

import (
	"os"
	"syscall"
	"unsafe"
)

// Of asm-generic/ioctls.h and asm-generic/poll.h.
const (
	fionread = 0x541B // the bytes waiting in a pipe
	tcgets   = 0x5401 // fails on what is no terminal
	pollOut  = 4
)

func ioctl(fd, request int, arg unsafe.Pointer) error {
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), uintptr(request), uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}

// unread is the number of bytes that wait in a pipe.
func unread(fd int) int64 {
	var n int32
	if ioctl(fd, fionread, unsafe.Pointer(&n)) != nil {
		return 0
	}
	return int64(n)
}

// writable says whether a page can be written to fd without blocking.
func writable(fd int) bool {
	p := struct {
		fd      int32
		events  int16
		revents int16
	}{int32(fd), pollOut, 0}
	var now syscall.Timespec
	n, _, errno := syscall.Syscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&p)), 1, uintptr(unsafe.Pointer(&now)), 0, 0, 0)
	return errno == 0 && n == 1 && p.revents&pollOut != 0
}

// read is read(2) on a descriptor that does not block.
func read(fd int, buf []byte) (int, error) {
	for {
		n, err := syscall.Read(fd, buf)
		if err != syscall.EINTR {
			return max(n, 0), err
		}
	}
}

func isTerminal(f *os.File) bool {
	var termios [64]byte // struct termios of asm-generic/termbits.h is shorter
	fd, err := descriptor(f)
	return err == nil && ioctl(fd, tcgets, unsafe.Pointer(&termios)) == nil
}

// descriptor is f.Fd() without its effect on how f blocks. It is valid until f
// is closed.
func descriptor(f *os.File) (fd int, err error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return -1, err
	}
	err = conn.Control(func(n uintptr) { fd = int(n) })
	return fd, err
}

func sameFile(a, b *os.File) bool {
	x, errX := a.Stat()
	y, errY := b.Stat()
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// neverBlocks says whether f is a file on a disk, or /dev/null.
func neverBlocks(f *os.File) bool {
	info, err := f.Stat()
	if err != nil {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return info.Mode().IsRegular() || err == nil && os.SameFile(info, null)
}

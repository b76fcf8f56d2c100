package program

import (
	"syscall"
	"unsafe"
)

// ownsTerminal says whether fd is our controlling terminal and we are in its
// foreground group.
func ownsTerminal(fd uintptr) bool {
	var group int32
	if ioctl(fd, syscall.TIOCGPGRP, unsafe.Pointer(&group)) != nil {
		return false
	}
	return int(group) == syscall.Getpgrp()
}

func ioctl(fd, request uintptr, arg unsafe.Pointer) error {
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, fd, request, uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}

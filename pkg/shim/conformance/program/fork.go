package main

import (
	"syscall"
	"unsafe"
)

// orphan makes a process that lives for a moment after its parent, a child of
// ours, has ended.
func orphan() error {
	pid, errno := fork()
	if errno != 0 {
		return errno
	}
	var status syscall.WaitStatus
	for {
		if _, err := syscall.Wait4(int(pid), &status, 0, nil); err != syscall.EINTR {
			return err
		}
	}
}

// fork is fork(2), twice. Go has no such thing, for the child has one thread
// only and no runtime: so it makes nothing but system calls that take no lock,
// and needs no more of the stack than it has.
//
//go:nosplit
//go:norace
//go:noinline
func fork() (pid uintptr, errno syscall.Errno) {
	pause := syscall.Timespec{Nsec: 2_000_000}
	pid, _, errno = syscall.RawSyscall6(syscall.SYS_CLONE, uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0)
	if pid != 0 || errno != 0 {
		return pid, errno
	}
	if pid, _, _ = syscall.RawSyscall6(syscall.SYS_CLONE, uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0); pid == 0 {
		syscall.RawSyscall(syscall.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&pause)), 0, 0)
	}
	for {
		syscall.RawSyscall(syscall.SYS_EXIT_GROUP, 0, 0, 0)
	}
}

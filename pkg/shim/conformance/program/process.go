package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// signals prints each signal that it gets, and ends with 5 at SIGTERM unless
// its argument is stubborn. With an argument "family" a child does the same.
func signals(args []string) int {
	name := "program"
	if len(args) > 0 {
		name = args[0]
	}
	c := make(chan os.Signal, 64)
	signal.Notify(c, syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGTERM,
		syscall.SIGWINCH, syscall.SIGCONT, syscall.SIGALRM, syscall.Signal(40))
	if name == "family" {
		child := exec.Command(os.Args[0], "signals", "child")
		child.Stdout = os.Stdout
		if err := child.Start(); err != nil {
			return 1
		}
	}
	fmt.Println(name, "waits")
	for s := range c {
		fmt.Println(name, int(s.(syscall.Signal)))
		if s == syscall.SIGTERM && name != "stubborn" {
			return 5
		}
	}
	return 0
}

// orphans makes so many processes whose parent ends before they do, waits for
// children of its own meanwhile, and says how many zombies there are then.
func orphans(args []string) int {
	done := make(chan error)
	go func() { done <- exec.Command(self, "lines", "fork "+args[0]).Run() }()
	for range 100 {
		if err := exec.Command(self, "lines", "exit 3").Run(); err == nil || err.Error() != "exit status 3" {
			fmt.Println("an own child was lost:", err)
			return 1
		}
	}
	if err := <-done; err != nil {
		fmt.Println("an own child was lost:", err)
		return 1
	}
	left := -1
	for range 200 {
		if left = zombies(); left == 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	fmt.Printf("zombies: %d\n", left)
	return 0
}

// zombies counts them in /proc.
func zombies() (n int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, s := range stats {
		b, _ := os.ReadFile(s)
		if _, rest, ok := strings.Cut(string(b), ") "); ok && rest[0] == 'Z' {
			n++
		}
	}
	return n
}

// leave ends with the code of its argument and leaves a daemon behind that
// holds the output open and fills it.
func leave(args []string) int {
	daemon := exec.Command(self, "chatter")
	daemon.Stdout, daemon.Stderr = os.Stdout, os.Stderr
	daemon.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := daemon.Start(); err != nil {
		return 1
	}
	n, _ := strconv.Atoi(args[0])
	return n
}

// chatter prints without end.
func chatter([]string) int {
	for {
		fmt.Println("still here")
		time.Sleep(10 * time.Millisecond)
	}
}

package main

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
)

// look prints what a container sees and may do.
func look([]string) int {
	fmt.Println("pid", os.Getpid())
	names := list("/proc")
	fmt.Println("processes", len(slices.DeleteFunc(names, func(n string) bool { return strings.Trim(n, "0123456789") != "" })))
	host, _ := os.Hostname()
	fmt.Println("host", host)
	interfaces, _ := net.Interfaces()
	words := []string{"interfaces"}
	for _, i := range interfaces {
		words = append(words, i.Name)
	}
	fmt.Println(strings.Join(words, " "))
	fmt.Println("no_new_privs", status("NoNewPrivs"))
	fmt.Println("capabilities", status("CapEff"))
	fmt.Println("dev", strings.Join(list("/dev"), " "))
	fmt.Println("root", strings.Join(list("/"), " "))
	for _, path := range []string{"/d/f", "/new", "/tmp/x", "/dev/null", "/dev/shm/x", "/shared/new", "/read/only/new", "/one/file"} {
		fmt.Println("write", path, cause(os.WriteFile(path, []byte("written"), 0o644)))
	}
	for _, path := range []string{"/d/f", "/shared/file", "/etc/hosts"} {
		b, err := os.ReadFile(path)
		if text := string(b); strings.Contains(text, "localhost") {
			b = []byte("localhost")
		}
		if err != nil {
			b = []byte(err.Error())
		}
		fmt.Println("read", path, string(b))
	}
	fmt.Println("mount", cause(syscall.Mount("x", "/tmp", "tmpfs", 0, "")))
	fmt.Println("mknod", cause(syscall.Mknod("/disk", syscall.S_IFBLK|0o600, 8<<8)))
	return 0
}

// status is a field of /proc/self/status.
func status(name string) string {
	b, _ := os.ReadFile("/proc/self/status")
	_, rest, _ := strings.Cut(string(b), "\n"+name+":\t")
	value, _, _ := strings.Cut(rest, "\n")
	return value
}

// list is what a folder has, sorted.
func list(dir string) (names []string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// cause is an error without the names of files.
func cause(err error) error {
	if e, ok := err.(*os.PathError); ok {
		return e.Err
	}
	return err
}

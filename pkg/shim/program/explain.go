package program

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// explain turns the error of fork and execve into what is wrong with the
// program.
func explain(c *Command, env []string, err error) *StartError {
	if fi, statErr := os.Stat(c.Dir); c.Dir != "" && (statErr != nil || !fi.IsDir()) {
		return &StartError{126, fmt.Sprintf("%s cannot be started in the folder %s, which is not there", c.Path, c.Dir)}
	}
	switch {
	case errors.Is(err, syscall.E2BIG):
		return &StartError{126, fmt.Sprintf("%s was given more arguments and environment than Linux allows", c.Path)}
	case errors.Is(err, syscall.EAGAIN):
		return &StartError{126, fmt.Sprintf("%s cannot be started: the limit of processes is reached (pids of the container, ulimit -u)", c.Path)}
	case errors.Is(err, syscall.ENOMEM):
		return &StartError{126, fmt.Sprintf("%s cannot be started: there is not enough memory", c.Path)}
	case errors.Is(err, syscall.ETXTBSY):
		return &StartError{126, fmt.Sprintf("%s is being written to by another process and cannot be executed until that closes it", c.Path)}
	}
	if f := examine(c.Path, env, 0); f != nil {
		return &StartError{f.code, c.Path + " " + f.text}
	}
	if errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM) {
		return &StartError{126, fmt.Sprintf("%s may not be executed by user %d (%v): a folder above it or a rule of this machine's security forbids it", c.Path, os.Getuid(), cause(err))}
	}
	return &StartError{126, fmt.Sprintf("starting %s: %v", c.Path, cause(err))}
}

// fault is why a file cannot be executed: an exit code and what follows the
// file's name in a sentence.
type fault struct {
	code int
	text string
}

// maxInterpreters is how many interpreters Linux follows.
const maxInterpreters = 5

// examine looks at a program and at what its first line or its header asks
// for, and so on, for what makes execve fail. It returns nil where all is well.
func examine(path string, env []string, depth int) *fault {
	if err := checkFile(path); err != nil {
		e := err.(*StartError)
		return &fault{e.Code, strings.TrimPrefix(e.Problem, path+" ")}
	}
	if noExec(path) {
		return &fault{126, "is on a file system that is mounted noexec; mount it without that, or copy it into the image"}
	}
	b := head(path)
	if line, ok := shebang(path); ok {
		interpreter, _, _ := strings.Cut(line, " ")
		return examineScript(b, interpreter, env, depth)
	}
	e, ok := openELF(path)
	if !ok || e.Machine != runtime.GOARCH {
		return &fault{126, explainFormat(b)}
	}
	if e.Linker == "" {
		return nil
	}
	if _, err := os.Stat(e.Linker); err != nil {
		return &fault{127, explainLinker(e.Linker)}
	}
	if f := examine(e.Linker, env, depth+1); f != nil && depth < maxInterpreters {
		return &fault{f.code, fmt.Sprintf("needs the dynamic linker %s, and that %s", e.Linker, f.text)}
	}
	return nil
}

// examineScript goes on with the interpreter that a script's first line names.
func examineScript(head []byte, interpreter string, env []string, depth int) *fault {
	line, _, _ := bytes.Cut(head, []byte("\n"))
	switch {
	case bytes.HasSuffix(line, []byte("\r")):
		return &fault{127, "has Windows line ends, so its interpreter is not found; save it with Unix line ends (LF)"}
	case interpreter == "":
		return &fault{126, "has a first line that names no interpreter (exec format error)"}
	case depth >= maxInterpreters:
		return &fault{126, "is run by an interpreter that is itself a script, and so on more often than Linux allows"}
	}
	if _, err := os.Stat(interpreter); err != nil {
		return &fault{127, fmt.Sprintf("needs %s, which this image does not have; slim images have no shell: take the full image or start the program without a script", interpreter)}
	}
	if f := examine(interpreter, env, depth+1); f != nil {
		return &fault{f.code, fmt.Sprintf("is run by %s, and that %s", interpreter, f.text)}
	}
	return nil
}

// explainLinker says what to do about a dynamic linker that is not there.
func explainLinker(linker string) string {
	switch others, _ := filepath.Glob("/lib/ld-musl-*.so.1"); {
	case isMusl(linker):
		return fmt.Sprintf("is built for musl libc, as on Alpine: it needs the dynamic linker %s, which this image does not have; build it on Debian, or link it statically (Go: CGO_ENABLED=0)", linker)
	case len(others) > 0:
		return fmt.Sprintf("is built for glibc, and this image has musl libc: it needs the dynamic linker %s; build it on Alpine, link it statically (Go: CGO_ENABLED=0), or take the full image", linker)
	}
	return fmt.Sprintf("needs the dynamic linker %s, which this image does not have; link it statically (Go: CGO_ENABLED=0) or take an image with that libc, such as the full one", linker)
}

// explainFormat says why Linux answers "exec format error".
func explainFormat(b []byte) string {
	switch {
	case len(b) == 0:
		return "is empty"
	case bytes.HasPrefix(b, []byte("\x7fELF")):
		if len(b) >= 20 && b[5] == 1 {
			if m := machine(binary.LittleEndian.Uint16(b[18:])); m != "" && m != runtime.GOARCH {
				return fmt.Sprintf("is built for %s, this container runs on %s; build it for linux/%s", m, runtime.GOARCH, runtime.GOARCH)
			}
		}
		return "is a damaged or unsuitable ELF file (exec format error)"
	case bytes.HasPrefix(b, []byte("MZ")):
		return fmt.Sprintf("is a Windows program; build it for linux/%s", runtime.GOARCH)
	case len(b) >= 4 && isMachO(binary.LittleEndian.Uint32(b)):
		return fmt.Sprintf("is a macOS program; build it for linux/%s", runtime.GOARCH)
	case bytes.HasPrefix(b, []byte("\xef\xbb\xbf#!")):
		return "begins with a byte order mark before its #! line; save it as UTF-8 without one"
	}
	return "has no shebang line; make its first line `#!/bin/sh`, `#!/usr/bin/env node` or whatever runs it"
}

func isMachO(magic uint32) bool {
	switch magic {
	case 0xfeedface, 0xfeedfacf, 0xcafebabe, 0xbebafeca:
		return true
	}
	return false
}

// stNoExec is ST_NOEXEC of statfs(2).
const stNoExec = 8

func noExec(path string) bool {
	var fs syscall.Statfs_t
	return syscall.Statfs(path, &fs) == nil && fs.Flags&stNoExec != 0
}

// headSize is how much of a file is read to see what it is. Linux itself
// looks at 256 bytes.
const headSize = 4096

func head(path string) []byte {
	f := openRegular(path)
	if f == nil {
		return nil
	}
	defer f.Close()
	b := make([]byte, headSize)
	n, _ := io.ReadFull(f, b)
	return b[:n]
}

// openRegular opens a file for reading, nil where it cannot or must not be:
// to open a pipe would wait for its writer.
func openRegular(path string) *os.File {
	if fi, err := os.Stat(path); err != nil || !fi.Mode().IsRegular() {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	return f
}

// shebang returns a script's first line without "#!".
func shebang(path string) (string, bool) {
	line, _, _ := bytes.Cut(head(path), []byte("\n"))
	rest, ok := bytes.CutPrefix(line, []byte("#!"))
	return strings.TrimSpace(string(rest)), ok
}

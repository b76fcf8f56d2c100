package program

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"syscall"
)

// headSize is how much of a file is read to see what it is. Linux itself
// looks at 256 bytes.
const headSize = 4096

func head(path string) []byte {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	b := make([]byte, headSize)
	n, _ := io.ReadFull(f, b)
	return b[:n]
}

// shebang returns a script's first line without "#!".
func shebang(path string) (string, bool) {
	line, _, _ := bytes.Cut(head(path), []byte("\n"))
	rest, ok := bytes.CutPrefix(line, []byte("#!"))
	return strings.TrimSpace(string(rest)), ok
}

// explain turns the error of execve into what is wrong with the program.
func explain(c *Command, err error) *StartError {
	b := head(c.Path)
	switch {
	case errors.Is(err, syscall.ENOEXEC):
		return &StartError{126, c.Path + " " + explainFormat(b)}
	case errors.Is(err, syscall.ENOENT):
		return &StartError{127, c.Path + " " + explainMissing(c.Path, b)}
	case errors.Is(err, syscall.EACCES):
		return &StartError{126, fmt.Sprintf("%s may not be executed by user %d: its mode, a folder above it or a noexec mount forbids it", c.Path, os.Getuid())}
	case errors.Is(err, syscall.E2BIG):
		return &StartError{126, fmt.Sprintf("%s was given more arguments and environment than Linux allows", c.Path)}
	}
	return &StartError{126, fmt.Sprintf("starting %s: %v", c.Path, err)}
}

// explainFormat says why Linux answers "exec format error".
func explainFormat(b []byte) string {
	switch {
	case len(b) == 0:
		return "is empty"
	case bytes.HasPrefix(b, []byte("\x7fELF")):
		if m := machine(b); m != "" && m != runtime.GOARCH {
			return fmt.Sprintf("is built for %s, this container runs on %s; build it for linux/%s", m, runtime.GOARCH, runtime.GOARCH)
		}
		return "is a damaged or unsuitable ELF file (exec format error)"
	case bytes.HasPrefix(b, []byte("MZ")):
		return fmt.Sprintf("is a Windows program; build it for linux/%s", runtime.GOARCH)
	case len(b) >= 4 && isMachO(binary.LittleEndian.Uint32(b)):
		return fmt.Sprintf("is a macOS program; build it for linux/%s", runtime.GOARCH)
	case bytes.HasPrefix(b, []byte("\xef\xbb\xbf#!")):
		return "begins with a byte order mark before its #! line; save it as UTF-8 without one"
	case bytes.HasPrefix(b, []byte("#!")):
		return "has a first line that names no interpreter (exec format error)"
	}
	return "has no shebang line; make its first line `#!/bin/sh`, `#!/usr/bin/env node` or whatever runs it"
}

// explainMissing says what a file that exists lacks when Linux answers "no
// such file": its interpreter or its dynamic linker.
func explainMissing(path string, b []byte) string {
	if bytes.HasPrefix(b, []byte("#!")) {
		line, _, _ := bytes.Cut(b, []byte("\n"))
		if bytes.HasSuffix(line, []byte("\r")) {
			return "has Windows line ends, so its interpreter is not found; save it with Unix line ends (LF)"
		}
		first, _ := shebang(path)
		interpreter, _, _ := strings.Cut(first, " ")
		return fmt.Sprintf("needs %s, which this image does not have; slim images have no shell: take the full image or start the program without a script", interpreter)
	}
	if linker := dynamicLinker(b); linker != "" {
		return fmt.Sprintf("needs the dynamic linker %s, which this image does not have; link it statically (Go: CGO_ENABLED=0) or take an image with that libc", linker)
	}
	return "does not exist"
}

func isMachO(magic uint32) bool {
	switch magic {
	case 0xfeedface, 0xfeedfacf, 0xcafebabe, 0xbebafeca:
		return true
	}
	return false
}

// machine is the GOARCH of an ELF file, "" where it is none of the usual.
// Offsets are those of the ELF specification, 64-bit little-endian.
func machine(b []byte) string {
	if len(b) < 20 || b[5] != 1 {
		return ""
	}
	switch binary.LittleEndian.Uint16(b[18:]) {
	case 3:
		return "386"
	case 40:
		return "arm"
	case 62:
		return "amd64"
	case 183:
		return "arm64"
	case 243:
		return "riscv64"
	}
	return ""
}

// dynamicLinker is the PT_INTERP of a 64-bit ELF file.
func dynamicLinker(b []byte) string {
	if len(b) < 64 || !bytes.HasPrefix(b, []byte("\x7fELF\x02\x01")) {
		return ""
	}
	off, size := binary.LittleEndian.Uint64(b[32:]), uint64(binary.LittleEndian.Uint16(b[54:]))
	for range binary.LittleEndian.Uint16(b[56:]) {
		if off > uint64(len(b)) || uint64(len(b))-off < 56 {
			return ""
		}
		if p := b[off:]; binary.LittleEndian.Uint32(p) == 3 {
			from, n := binary.LittleEndian.Uint64(p[8:]), binary.LittleEndian.Uint64(p[32:])
			if from > uint64(len(b)) || n > uint64(len(b))-from {
				return ""
			}
			return strings.TrimRight(string(b[from:from+n]), "\x00")
		}
		off += size
	}
	return ""
}

package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// self is the test program's own file.
const self = "/proc/self/exe"

// commands are the words with which lines begin. A code other than -1 ends the
// script.
var commands map[string]func(rest string) int

func init() {
	const goOn = -1
	commands = map[string]func(string) int{
		// say prints a line to out or err
		"say": func(rest string) int {
			where, text, _ := strings.Cut(rest, " ")
			fmt.Fprintln(map[string]io.Writer{"out": os.Stdout, "err": os.Stderr}[where], text)
			return goOn
		},
		// print prints to standard output without an end of line
		"print": func(rest string) int { fmt.Print(rest); return goOn },
		// cat copies standard input to standard output
		"cat": func(string) int { _, _ = io.Copy(os.Stdout, os.Stdin); return goOn },
		// zeros writes so many bytes to standard output
		"zeros": func(rest string) int {
			n, _ := strconv.Atoi(rest)
			_, _ = os.Stdout.Write(make([]byte, n))
			return goOn
		},
		"sleep": func(rest string) int { d, _ := time.ParseDuration(rest); time.Sleep(d); return goOn },
		"exit":  func(rest string) int { n, _ := strconv.Atoi(rest); return n },
		// kill sends itself a signal
		"kill": func(rest string) int {
			n, _ := strconv.Atoi(rest)
			_ = syscall.Kill(os.Getpid(), syscall.Signal(n))
			time.Sleep(time.Minute)
			return 99
		},
		// home says whether it was started in the function's folder
		"home": func(string) int {
			dir, err := os.Getwd()
			if _, missing := os.Stat("./program"); err != nil || missing != nil || dir != os.Getenv("FC_FUNC_CODE_PATH") {
				fmt.Println("started in", dir, err)
				return 1
			}
			fmt.Println("at home")
			return goOn
		},
		// fill takes so many bytes of memory
		"fill": func(rest string) int {
			n, _ := strconv.Atoi(rest)
			b := make([]byte, n)
			for i := 0; i < n; i += 4096 {
				b[i] = 1
			}
			fmt.Fprintln(os.Stderr, len(b))
			return goOn
		},
		// fork makes so many orphans
		"fork": func(rest string) int {
			n, _ := strconv.Atoi(rest)
			for range n {
				if err := orphan(); err != nil {
					fmt.Println("fork:", err)
					return 1
				}
			}
			return goOn
		},
	}
}

// lines runs a script: its arguments are lines, or there is one that is the
// script's path. A line is a command and the rest of it. "run ARGUMENT…" runs
// the test program as a child, with the lines below it that begin with a tab
// as further arguments; "again" begins from the start.
func lines(args []string) int {
	script := args
	if len(args) == 1 {
		if b, err := os.ReadFile(args[0]); err == nil {
			_, text, _ := strings.Cut(string(b), "\n") // after the line that made this its interpreter
			script = strings.Split(strings.TrimSuffix(text, "\n"), "\n")
		}
	}
	for n := 0; n < len(script); n++ {
		word, rest, _ := strings.Cut(script[n], " ")
		switch {
		case word == "again":
			n = -1
		case word == "run":
			words := strings.Fields(rest)
			for ; n+1 < len(script) && strings.HasPrefix(script[n+1], "\t"); n++ {
				words = append(words, script[n+1][1:])
			}
			run(words)
		case commands[word] == nil:
			fmt.Fprintln(os.Stderr, "no such command:", script[n])
			return 99
		default:
			if code := commands[word](rest); code >= 0 {
				return code
			}
		}
	}
	return 0
}

// run waits for a child, whatever becomes of it.
func run(args []string) {
	cmd := exec.Command(self, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	_ = cmd.Run()
}

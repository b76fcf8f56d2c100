// Command program is what the rules of package conformance run in a container:
// one binary, which its first argument makes a server, a program that dies, one
// that leaves daemons behind, and so on.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// modes are what the first argument chooses among.
var modes = map[string]func(args []string) int{
	"raw":      raw,
	"http":     serveHTTP,
	"sdk":      sdk,
	"signals":  signals,
	"orphans":  orphans,
	"leave":    leave,
	"args":     arguments,
	"env":      environment,
	"lines":    lines,
	"chatter":  chatter,
	"identity": identity,
	"roots":    roots,
	"zone":     zone,
	"look":     look,
}

func main() {
	args := os.Args[1:]
	if len(args) == 0 && filepath.Base(os.Args[0]) == "bootstrap" {
		args = []string{"raw"}
	}
	if len(args) == 0 || modes[args[0]] == nil {
		fmt.Fprintln(os.Stderr, "no such mode:", args)
		os.Exit(99)
	}
	os.Exit(modes[args[0]](args[1:]))
}

// arguments prints each argument in a line.
func arguments(args []string) int {
	for _, a := range args {
		fmt.Printf("%q\n", a)
	}
	return 0
}

// environment prints the values of those variables and ends.
func environment(args []string) int {
	for _, a := range args {
		fmt.Printf("%s=%s\n", a, os.Getenv(a))
	}
	return 0
}

// portOf is the port that the program is told.
func portOf() string {
	if p := os.Getenv("PORT"); p != "" {
		return p
	}
	return "9000"
}

// option takes NAME=VALUE out of args.
func option(args []string, name string) (value string, rest []string) {
	for _, a := range args {
		if v, ok := strings.CutPrefix(a, name+"="); ok {
			value = v
		} else {
			rest = append(rest, a)
		}
	}
	return value, rest
}

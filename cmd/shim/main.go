// Command shim is PID 1 of every image that imgbuild makes. See package shim.
package main

import (
	"os"

	"github.com/imgbuild/imgbuild/pkg/shim"
)

func main() { os.Exit(shim.Main(os.Args, os.Environ())) }

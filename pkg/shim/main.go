package shim

import (
	"fmt"
	"runtime"
)

// source is the hash of the shim's source, set by the linker (pkg/shimbuild).
var source = "unknown"

// Main is the shim's whole command line: args are the process's arguments
// with its name first, env its environment. It returns the exit code.
func Main(args []string, env []string) int {
	r, err := Parse(args[1:], env)
	switch {
	case err != nil:
		return complain(2, err)
	case r.Help:
		fmt.Print(usage())
		return 0
	case r.Version:
		fmt.Printf("imgbuild shim, source %s, %s %s/%s\n", source, runtime.Version(), runtime.GOOS, runtime.GOARCH)
		return 0
	}
	return Run(r.Settings, r.Command, env)
}

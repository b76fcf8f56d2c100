// Command bench runs all benches in their order. Slow times are no failure;
// an error is.
package main

import (
	"fmt"
	"os"
	"os/exec"

	"github.com/imgbuild/imgbuild/internal/testtool"
)

func main() {
	for _, name := range []string{"cold", "warm", "shim-changed", "memory", "sizes"} {
		cmd := exec.Command("go", "run", "./bench/"+name)
		cmd.Dir = testtool.ModuleRoot()
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if err := cmd.Run(); err != nil {
			fmt.Fprintf(os.Stderr, "bench %s: %v\n", name, err)
			os.Exit(1)
		}
	}
}

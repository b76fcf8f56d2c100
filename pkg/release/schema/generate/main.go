// Generate writes the JSON Schema of release.yaml to the file it is given.
package main

import (
	"fmt"
	"os"

	"github.com/imgbuild/imgbuild/pkg/release/schema"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: generate FILE")
		os.Exit(2)
	}
	data, err := schema.Generate()
	if err == nil {
		err = os.WriteFile(os.Args[1], data, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

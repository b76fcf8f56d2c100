package container

import (
	"encoding/json"
	"os"
)

// The names under which imgbuild starts itself again. They are argv[0], which
// nobody types, and count only for a process that was started as one.
const (
	initName   = "imgbuild: container"
	keeperName = "imgbuild: keeper of containers"
)

// The files that both get beside the standard ones.
const (
	controlFD = 3 // a Unix socket to who started it
	setupFD   = 4 // the setup of a container, in memory
)

// Main must be the first call of main, and of TestMain, in a program that
// starts containers. It returns at once, unless this process was started by
// Start as the beginning of a container: then it never does.
func Main() {
	switch {
	case len(os.Args) != 1:
	case os.Args[0] == initName && os.Getpid() == 1: // in a namespace of its own
		err := begin()
		// Only where the container could not be started.
		control := os.NewFile(controlFD, "control")
		_ = json.NewEncoder(control).Encode(failureOf(err)) // who asked may have gone
		os.Exit(1)
	case os.Args[0] == keeperName:
		os.Exit(keep())
	}
}

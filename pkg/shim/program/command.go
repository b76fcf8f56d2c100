package program

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// Command is a program ready to be started.
type Command struct {
	// Path is the file to execute; Argv its arguments with the name first.
	Path string
	Argv []string
	// Dir is the working directory, "" to keep the shim's.
	Dir string
	// Function says that this is the function's own bootstrap or a handler in
	// the image's adapter, so that a server is expected of it.
	Function bool
}

// StartError says why there is nothing to run. Its text is one line for the
// person who built the image.
type StartError struct {
	// Code is the exit code: 127 where the program was not found, 126 where
	// it cannot be executed (as shells and docker have it), 1 where nothing
	// was asked for and neither bootstrap nor adapter is there.
	Code    int
	Problem string
}

func (e *StartError) Error() string { return e.Problem }

// Failure is the answer to a request where no program could be started.
func (e *StartError) Failure() *message.Failure {
	return &message.Failure{Status: 502, Type: message.ProgramNotStarted, Message: "the program could not be started: " + e.Problem}
}

// adapterPath is the image's own way to run a handler that is no server: a
// program that loads what FC_FUNCTION_HANDLER names and serves HTTP for it.
const adapterPath = "/usr/local/lib/shim/adapter"

// codePath is where the platform puts a function's code.
const codePath = "/code"

// Resolve finds the program: the container's arguments, else the function's
// bootstrap in FC_FUNC_CODE_PATH (default /code), else the image's adapter.
// The platform sets FC_FUNCTION_HANDLER for every function, so that it cannot
// say which of the two is meant: a bootstrap wins. Errors are *StartError.
func Resolve(args []string, env []string) (*Command, error) {
	return resolve(args, env, adapterPath, envPath)
}

func resolve(args, env []string, adapter, envPath string) (*Command, error) {
	c := &Command{Argv: args}
	if len(args) == 0 {
		var err error
		if c, err = function(env, adapter); err != nil {
			return nil, err
		}
	}
	path, err := lookPath(c.Argv[0], env)
	if err != nil {
		return nil, err
	}
	c.Path = path
	if err := checkFile(path); err != nil {
		return nil, err
	}
	return c, c.withoutEnvIn(env, envPath)
}

// function is the command of a container that was given none.
func function(env []string, adapter string) (*Command, error) {
	dir := Getenv(env, "FC_FUNC_CODE_PATH")
	if dir == "" {
		dir = codePath
	}
	bootstrap := filepath.Join(dir, "bootstrap")
	_, missing := os.Lstat(bootstrap)
	if missing == nil {
		return &Command{Argv: []string{bootstrap}, Dir: dir, Function: true}, nil
	}
	if _, err := os.Stat(adapter); err != nil {
		return nil, &StartError{1, nothingToRun(bootstrap, missing, Getenv(env, "FC_FUNCTION_HANDLER"))}
	}
	if fi, err := os.Stat(dir); err != nil || !fi.IsDir() {
		return nil, &StartError{1, fmt.Sprintf("there is no function: the folder %s is not there; copy the code into it in the image, or mount it there", dir)}
	}
	return &Command{Argv: []string{adapter}, Dir: dir, Function: true}, nil
}

func nothingToRun(bootstrap string, missing error, handler string) string {
	named := ""
	if handler != "" {
		named = fmt.Sprintf(" (here %q)", handler)
	}
	return fmt.Sprintf("nothing to run: the container was given no command and there is no %s (%v); "+
		"add an executable bootstrap to the image, mount one there, or give the command as the container's arguments; "+
		"a handler without a server, as FC_FUNCTION_HANDLER names it%s, needs the node or typescript image",
		bootstrap, cause(missing), named)
}

// defaultPath is where programs are looked for when PATH is not set, as
// container runtimes have it.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// lookPath finds a bare name in the folders of PATH; a name with a slash is
// itself.
func lookPath(name string, env []string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	path := Getenv(env, "PATH")
	if path == "" {
		path = defaultPath
	}
	refused := ""
	for _, dir := range filepath.SplitList(path) {
		file := filepath.Join(dir, name)
		fi, err := os.Stat(file)
		if err != nil || fi.IsDir() || name == "" {
			continue
		}
		if fi.Mode()&0o111 != 0 {
			return file, nil
		}
		refused = file
	}
	if refused != "" {
		return "", checkFile(refused)
	}
	return "", &StartError{127, fmt.Sprintf("%q is not in this image: it is in none of the folders of PATH (%s)", name, path)}
}

// checkFile finds what makes execve certain to fail.
func checkFile(path string) error {
	fi, err := os.Stat(path)
	switch {
	case err != nil && os.IsNotExist(err):
		return &StartError{127, fmt.Sprintf("%s does not exist", path)}
	case err != nil:
		return &StartError{126, fmt.Sprintf("%s cannot be read: %v", path, cause(err))}
	case fi.IsDir():
		return &StartError{126, fmt.Sprintf("%s is a folder, not a program", path)}
	case !fi.Mode().IsRegular():
		return &StartError{126, fmt.Sprintf("%s is a device, pipe or socket, not a program", path)}
	case fi.Mode()&0o111 == 0:
		return &StartError{126, fmt.Sprintf("%s is not executable; run `chmod +x` on it before the image is built", path)}
	}
	return nil
}

// envPath is where scripts say env is.
const envPath = "/usr/bin/env"

// withoutEnvIn rewrites a script whose first line is `#!/usr/bin/env NAME` where
// the image has no env (at the path there), as slim images have none: NAME is
// looked for on PATH here.
func (c *Command) withoutEnvIn(env []string, there string) error {
	line, ok := shebang(c.Path)
	if !ok {
		return nil
	}
	interpreter, rest, _ := strings.Cut(line, " ")
	if interpreter != envPath {
		return nil
	}
	if _, err := os.Stat(there); err == nil {
		return nil
	}
	words := []string{strings.TrimSpace(rest)}
	if list, ok := strings.CutPrefix(words[0], "-S"); ok {
		words = strings.Fields(list)
	}
	if len(words) == 0 || words[0] == "" {
		return nil // execve's own error is explained as it comes
	}
	path, err := lookPath(words[0], env)
	if err != nil {
		return &StartError{127, fmt.Sprintf("%s asks for %q in its first line: %v", c.Path, words[0], err)}
	}
	if err := checkFile(path); err != nil {
		return err
	}
	c.Argv = append(append(words, c.Path), c.Argv[1:]...)
	c.Path = path
	return nil
}

// cause is the system's reason without the call and path around it.
func cause(err error) error {
	if e, ok := err.(*fs.PathError); ok {
		err = e.Err
	}
	if e, ok := err.(syscall.Errno); ok {
		return e
	}
	return err
}

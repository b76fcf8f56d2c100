package program

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Command is a program ready to be started.
type Command struct {
	// Path is the file to execute; Argv its arguments with the name first.
	Path string
	Argv []string
	// Dir is the working directory, "" to keep the shim's.
	Dir string
	// Function says that this is the function's own bootstrap, so that a
	// server is expected of it.
	Function bool
}

// StartError says why there is nothing to run. Its text is one line for the
// person who built the image.
type StartError struct {
	// Code is the exit code: 127 where the program was not found, 126 where
	// it cannot be executed (as shells and docker have it), 1 where nothing
	// was asked for and no bootstrap is there.
	Code    int
	Problem string
}

func (e *StartError) Error() string { return e.Problem }

// Resolve finds the program: the container's arguments, else the function's
// bootstrap in FC_FUNC_CODE_PATH (default /code). Errors are *StartError.
func Resolve(args []string, env []string) (*Command, error) {
	c := &Command{Argv: args}
	if len(args) == 0 {
		dir := getenv(env, "FC_FUNC_CODE_PATH")
		if dir == "" {
			dir = "/code"
		}
		bootstrap := filepath.Join(dir, "bootstrap")
		if _, err := os.Stat(bootstrap); err != nil {
			return nil, &StartError{1, fmt.Sprintf("nothing to run: the container was given no command and there is no %s (%v); "+
				"add an executable bootstrap to the image, mount one there, or give the command as the container's arguments", bootstrap, cause(err))}
		}
		c.Argv, c.Dir, c.Function = []string{bootstrap}, dir, true
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

// defaultPath is where programs are looked for when PATH is not set, as
// container runtimes have it.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// lookPath finds a bare name in the folders of PATH; a name with a slash is
// itself.
func lookPath(name string, env []string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	path := getenv(env, "PATH")
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

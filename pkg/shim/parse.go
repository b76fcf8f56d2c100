package shim

import (
	"fmt"
	"strings"
)

// UsageError is a wrong flag or variable. The process ends with 2.
type UsageError struct {
	// Name is what the user wrote: --grace or SHIM_GRACE.
	Name string
	// Problem says what is wrong with it.
	Problem string
}

func (e *UsageError) Error() string { return e.Name + ": " + e.Problem }

// Request is what the command line asks for.
type Request struct {
	Settings Settings
	// Command is the container's arguments, empty where there are none.
	Command []string
	// Help and Version are set by --help and --version.
	Help, Version bool
}

// Parse reads the shim's arguments (without the program's name) and the
// environment, each entry NAME=value. Flags end at the first word that is not
// one, or after "--". Errors are *UsageError.
func Parse(args []string, env Environ) (*Request, error) {
	r := &Request{}
	for _, s := range Table {
		if err := s.set(&r.Settings, s.Default); err != nil {
			return nil, &UsageError{"--" + s.Flag, err.Error()}
		}
	}
	if port := env.platformPort(); port != "" {
		r.Settings.Listen = ":" + port
	}
	if err := r.variables(env); err != nil {
		return nil, err
	}
	if err := r.flags(args); err != nil {
		return nil, err
	}
	if r.Settings.Queue > 0 && r.Settings.Concurrency == 0 {
		return nil, &UsageError{"SHIM_QUEUE", "there is nothing to wait for without a limit; set SHIM_CONCURRENCY too"}
	}
	return r, nil
}

func (r *Request) variables(env Environ) error {
	for _, s := range Table {
		v := env.Get(s.Variable)
		if v == "" {
			continue
		}
		if err := s.set(&r.Settings, v); err != nil {
			return &UsageError{s.Variable, fmt.Sprintf("%q: %v", v, err)}
		}
	}
	return nil
}

func (r *Request) flags(args []string) error {
	for len(args) > 0 {
		arg := args[0]
		if arg == "--" {
			args = args[1:]
			break
		}
		if !strings.HasPrefix(arg, "-") || arg == "-" {
			break
		}
		args = args[1:]
		name, value, has := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		switch {
		case name == "help" || name == "h":
			r.Help = true
			continue
		case name == "version":
			r.Version = true
			continue
		}
		s := setting(name)
		if s == nil {
			return &UsageError{arg, "the shim has no such flag; shim --help lists them; put -- before a command that begins with a dash"}
		}
		if !has {
			if len(args) == 0 {
				return &UsageError{arg, "want a value: " + s.Value}
			}
			value, args = args[0], args[1:]
		}
		if err := s.set(&r.Settings, value); err != nil {
			return &UsageError{"--" + name, fmt.Sprintf("%q: %v", value, err)}
		}
	}
	r.Command = args
	return nil
}

func setting(flag string) *Setting {
	for i := range Table {
		if Table[i].Flag == flag {
			return &Table[i]
		}
	}
	return nil
}

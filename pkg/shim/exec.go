package shim

import (
	"os"
	"syscall"

	"github.com/imgbuild/imgbuild/pkg/shim/once"
	"github.com/imgbuild/imgbuild/pkg/shim/program"
)

// beginExec serves with a program that is run once for each request. There is
// nothing to wait for: the shim's port opens at once.
func (s *supervisor) beginExec(c *program.Command) error {
	stderr, err := s.programsLog()
	if err != nil {
		return err
	}
	s.log.Start()
	s.once = once.New(once.Options{
		Start: func(env []string, files [3]*os.File) (once.Process, error) {
			p, err := program.Start(c, env, files)
			if err != nil {
				s.log.Say("%v", err)
				return nil, err // not a nil *Process in an interface
			}
			return p, nil
		},
		Environ: s.env, Log: stderr, Lines: s.settings.ErrorLines,
	})
	s.use(s.once)
	return s.open(nil)
}

// programsLog is where the log takes programs' stderr, for as long as the shim
// runs: the log closes its own copy.
func (s *supervisor) programsLog() (*os.File, error) {
	_, stderr := s.log.Files()
	fd, err := syscall.Dup(int(stderr.Fd()))
	if err != nil {
		return nil, os.NewSyscallError("dup", err)
	}
	syscall.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), stderr.Name()), nil
}

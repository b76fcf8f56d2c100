// Package measure runs commands, takes their time and memory, and prints
// tables.
package measure

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Sample is one run of a command.
type Sample struct {
	Wall time.Duration
	// CPU is user and system time of the process and of its children.
	CPU time.Duration
	// MaxRSS is the peak of the resident memory in bytes (getrusage(2), which
	// has it in KiB on Linux).
	MaxRSS int64
	Stdout []byte
}

// Run runs the command to its end. A failure's error has what it wrote to
// standard error.
func Run(ctx context.Context, env []string, name string, args ...string) (Sample, error) {
	return RunIn(ctx, "", env, name, args...)
}

// RunIn is Run with a working directory.
func RunIn(ctx context.Context, dir string, env []string, name string, args ...string) (Sample, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	begin := time.Now()
	err := cmd.Run()
	wall := time.Since(begin)
	if err != nil {
		text := strings.TrimSpace(errs.String())
		if n := len(text); n > 2000 {
			text = "…" + text[n-2000:]
		}
		return Sample{}, fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, text)
	}
	s := Sample{Wall: wall, CPU: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), Stdout: out.Bytes()}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return Sample{}, errors.New("this system does not tell a process's memory")
	}
	s.MaxRSS = usage.Maxrss << 10
	return s, nil
}

// Median is that of the wall times.
func Median(samples []Sample) time.Duration {
	return middle(samples, func(s Sample) time.Duration { return s.Wall })
}

// MedianCPU is that of the CPU times.
func MedianCPU(samples []Sample) time.Duration {
	return middle(samples, func(s Sample) time.Duration { return s.CPU })
}

func middle(samples []Sample, of func(Sample) time.Duration) time.Duration {
	var d []time.Duration
	for _, s := range samples {
		d = append(d, of(s))
	}
	slices.Sort(d)
	if n := len(d); n%2 == 0 {
		return (d[n/2-1] + d[n/2]) / 2
	}
	return d[len(d)/2]
}

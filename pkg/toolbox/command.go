package toolbox

import (
	"context"
	"os/exec"
	"syscall"
	"time"
)

// killDelay is how long the output of a killed command is waited for.
const killDelay = 5 * time.Second

// Command is exec.CommandContext for a tool: all that it starts ends with it.
func Command(ctx context.Context, path string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = killDelay
	return cmd
}

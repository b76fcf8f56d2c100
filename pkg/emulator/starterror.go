package emulator

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// The exit codes of shells, docker and the shim for a program that does not
// start.
const (
	codeNotExecutable = 126
	codeNotFound      = 127
	codeKilled        = 137 // SIGKILL
)

// startError makes a runtime's error one of the platform's, where it is about
// the function and not about the runtime.
func startError(err error, log string) error {
	text := err.Error()
	same := strings.ToLower(text) // crun's begin with a large letter
	switch {
	case as(err) != nil:
		return err
	case strings.Contains(same, "exec format error"):
		return failed(CAExited, "The function cannot be started: "+text+"; a script needs a first line such as #!/bin/sh, a program the architecture amd64", log)
	case strings.Contains(same, "permission denied") && strings.Contains(same, "starting "):
		return failed(CAFilePermission, "The function cannot be started: "+text+"; give the file its run bit: chmod +x", log)
	case strings.Contains(same, "no such file or directory") && strings.Contains(same, "starting "), strings.Contains(same, "no such program"),
		strings.Contains(same, "not found in $path"):
		return failed(CAFileNotFound, "The function cannot be started: "+text, log)
	}
	return err
}

// exitError is of a program that ended before it listened; why is "" where only
// the code says it.
func exitError(code int, why, log string) error {
	switch {
	case code == codeNotFound:
		return failed(CAFileNotFound, "Failed to start function instance: the command was not found (exit code 127)", log)
	case code == codeNotExecutable && !strings.Contains(log, "exec format error") && !strings.Contains(log, "no shebang line"):
		return failed(CAFilePermission, "Failed to start function instance: the command cannot be executed (exit code 126); give the file its run bit: chmod +x", log)
	}
	return failed(CAExited, fmt.Sprintf("Function instance exited unexpectedly(code %d) before it listened%s", code, why), log)
}

// notStarted is of a program that never listened.
func notStarted(port int, limit time.Duration, err error, log string) error {
	return failed(FunctionNotStarted, fmt.Sprintf("Function instance health check failed on port %d in %g seconds: %v; the function must listen on 0.0.0.0:%d, or the port in its configuration must be the one that it listens on", port, limit.Seconds(), err, port), log)
}

// failed is an error of starting, with the end of the log, as the platform has
// it.
func failed(code, message, log string) error {
	if log != "" {
		message += "\nLogs:\n" + log
	}
	return &Error{Status: http.StatusPreconditionFailed, Code: code, Message: message}
}

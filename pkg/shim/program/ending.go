package program

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// atOnce is how soon after its start a program ends "at once".
const atOnce = 2 * time.Second

// Explain says in one line why the program ended, where the exit code alone
// does not, and what to do; "" where there is nothing to say. missed says that
// it should have listened somewhere and never did. It waits for the end.
func (p *Process) Explain(missed bool) string {
	<-p.done
	name := p.command.Path
	if p.exit.Signaled() {
		if text := p.explainSignal(p.exit.Signal()); text != "" {
			return name + " " + text
		}
	}
	switch code := p.exit.ExitStatus(); {
	case code == 127, code == 1 && missed && p.ran < atOnce: // 1 is ld.so's for a version
		if text := p.explainNotFound(code); text != "" {
			return name + " " + text
		}
	case code == 0 && missed && p.ran < atOnce:
		return fmt.Sprintf("%s ended with exit code 0 after %s and has never listened on a port; a function must go on running and serve HTTP on $PORT: start the server in the foreground, not in the background or as a daemon", name, p.ran.Round(time.Millisecond))
	}
	if missed {
		return fmt.Sprintf("%s %s before it listened on a port", name, p.Ending())
	}
	return ""
}

// Failure is the answer to a request that the program did not answer because
// it has ended. It waits for the end.
func (p *Process) Failure() *message.Failure {
	text := "the program " + p.Ending() + " before it answered"
	if why := p.Explain(false); why != "" {
		text += ": " + why
	}
	return &message.Failure{Status: 502, Type: message.ProgramExited, Message: text}
}

func (p *Process) explainSignal(s syscall.Signal) string {
	switch s {
	case syscall.SIGKILL:
		p.mu.Lock()
		defer p.mu.Unlock()
		switch {
		case p.killed:
			return ""
		case p.outOfMemory:
			return "was killed because the container ran out of memory" + p.memoryLimit() + "; give the function more memory, or let the program use less"
		}
		return "was killed (SIGKILL), but not by the shim: probably the container ran out of memory" + p.memoryLimit()
	case syscall.SIGSEGV, syscall.SIGBUS:
		text := "crashed: it used memory that is not its own (" + s.String() + ")"
		if p.ran < atOnce {
			text += "; at the start of a program that is mostly a native library or module that was built for another libc or version"
		}
		return text
	case syscall.SIGILL:
		return "crashed: its machine code is not for this processor (illegal instruction); build it for a plain " + machineName() + " without newer extensions"
	case syscall.SIGSYS:
		return "used a system call that this container forbids (seccomp)"
	}
	return ""
}

// explainNotFound says what lacks. Exit code 127 is ld.so's where a shared
// library is missing, and a shell's where a command is.
func (p *Process) explainNotFound(code int) string {
	file, script := p.command.Path, false
	for range maxInterpreters {
		line, ok := shebang(file)
		if !ok {
			break
		}
		words := strings.Fields(line)
		if len(words) == 0 {
			return ""
		}
		file, script = words[0], true
		if file == envPath && len(words) > 1 {
			path, err := lookPath(words[len(words)-1], p.env)
			if err != nil {
				return fmt.Sprintf("asks for %q in its first line: %v", words[len(words)-1], err)
			}
			file = path
		}
	}
	if m, lacks := findMissing(file, p.env); lacks && (code == 1) == (m.version != "") {
		return m.explain(p.command.Path)
	}
	if code != 127 {
		return ""
	}
	if script || isShell(file) {
		return "called a command that is not in this image (exit code 127); slim images have few: take the full image, or install it"
	}
	return ""
}

// explain is what follows the name of the program in a sentence.
func (m missing) explain(path string) string {
	text := "needs the shared library " + m.library + ", which is not in this image"
	if m.version != "" {
		text = "needs " + m.version + " of the shared library " + m.library + ", and this image has another version"
	}
	if m.by != path {
		text = "needs " + m.by + ", and that " + text
	}
	switch pkg := debianPackage(m.library); {
	case m.version != "":
		return text + ": build it in the full image, on the same Debian, or link it statically"
	case strings.Contains(m.library, "musl"):
		return text + ": it is built for musl libc, as on Alpine; build it on Debian, or link it statically"
	case pkg != "":
		return text + "; in the full image install it (apt-get install " + pkg + "), or link it statically"
	}
	return text + "; copy it into the image, or link it statically"
}

func isShell(path string) bool {
	switch filepath.Base(path) {
	case "sh", "bash", "dash", "ash", "zsh", "busybox":
		return true
	}
	return false
}

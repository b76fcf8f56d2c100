package sign

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode"
)

// Limits of a signing command.
const (
	maxCommandOutput = 64 << 10 // of its standard output, in bytes
	maxCommandStderr = 4 << 10  // of what is shown of its standard error, in bytes
)

// commandTimeout is what one call of a signing command may take. A variable
// for tests.
var commandTimeout = time.Minute

// command is a key behind a program, such as a key management service's client:
// see Load.
type command struct {
	words  []string
	public crypto.PublicKey

	mu sync.Mutex
	// done are signatures by the hash of what they sign: a service's are not
	// deterministic, and a release in many regions wants the same in each.
	done map[[sha256.Size]byte][]byte
}

func newCommand(ctx context.Context, line string) (*command, error) {
	c := &command{words: strings.Fields(line), done: map[[sha256.Size]byte][]byte{}}
	if len(c.words) == 0 {
		return nil, errors.New("command: names no program; write command:CMD ARGS…")
	}
	out, err := c.run(ctx, "public-key", nil)
	if err != nil {
		return nil, err
	}
	if c.public, err = ParsePublic(out); err != nil {
		return nil, fmt.Errorf("reading what `%s public-key` printed: %w", c, err)
	}
	return c, nil
}

// String is the line, for messages.
func (c *command) String() string { return shown(strings.Join(c.words, " ")) }

func (c *command) Public() crypto.PublicKey { return c.public }

// Sign has the program sign, and checks what it made.
func (c *command) Sign(ctx context.Context, payload []byte) ([]byte, error) {
	sum := sha256.Sum256(payload)
	c.mu.Lock()
	defer c.mu.Unlock()
	if s, ok := c.done[sum]; ok {
		return s, nil
	}
	out, err := c.run(ctx, "sign", payload)
	if err != nil {
		return nil, err
	}
	for _, s := range [][]byte{out, decoded(out)} {
		if s != nil && Verify(c.public, payload, s) == nil {
			c.done[sum] = s
			return s, nil
		}
	}
	return nil, fmt.Errorf("what `%s sign` printed is no signature by the key that `%[1]s public-key` printed; it must be an ECDSA signature over the SHA-256 of standard input, in DER or in base64 of that", c)
}

// decoded is the bytes of base64 text, nil where it is none.
func decoded(text []byte) []byte {
	b, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(string(text)), ""))
	if err != nil {
		return nil
	}
	return b
}

// run calls the program with one more argument.
func (c *command) run(ctx context.Context, verb string, stdin []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, commandTimeout, fmt.Errorf("it gave no answer within %s", commandTimeout))
	defer cancel()
	cmd := exec.CommandContext(ctx, c.words[0], append(c.words[1:len(c.words):len(c.words)], verb)...)
	stdout, stderr := &head{limit: maxCommandOutput}, &head{limit: maxCommandStderr}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), stdout, stderr
	// What the program started goes with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case err == nil && stdout.over:
		err = fmt.Errorf("it printed more than %d bytes", maxCommandOutput)
	case err == nil:
		return stdout.kept.Bytes(), nil
	}
	if said := stderr.text(); said != "" {
		err = fmt.Errorf("%w; it said: %s", err, said)
	}
	return nil, fmt.Errorf("running `%s %s`: %w", c, verb, err)
}

// head keeps the first bytes of what is written, and notes whether there were
// more. Its buffer is not embedded: io.Copy would find that one's ReadFrom.
type head struct {
	kept  bytes.Buffer
	limit int
	over  bool
}

func (h *head) Write(p []byte) (int, error) {
	room := min(h.limit-h.kept.Len(), len(p))
	h.over = h.over || room < len(p)
	h.kept.Write(p[:room])
	return len(p), nil
}

// text is what was kept, without what a terminal would take for commands.
func (h *head) text() string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, h.kept.String()))
}

package sign

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/internal/testtool"
)

// kms writes a program that signs with openssl, whose signatures differ each
// time, as those of key management services. sign replaces how it signs.
func kms(t *testing.T, sign string) (line string, key *local) {
	t.Helper()
	testtool.Need(t, "openssl", "openssl")
	key = newKey(t)
	path := writeFile(t, "key.pem", pemOf("PRIVATE KEY", pkcs8(t, key.key)), 0o600)
	script := fmt.Sprintf(`#!/bin/sh
case "$2" in
public-key) openssl pkey -in %[1]s -pubout ;;
sign) echo >>%[1]s.calls; %[2]s ;;
*) exit 7 ;;
esac
`, path, strings.ReplaceAll(sign, "KEY", path))
	return writeFile(t, "kms", script, 0o700) + "  my-key", key
}

func TestCommand(t *testing.T) {
	for _, how := range []string{
		"openssl dgst -sha256 -sign KEY",
		"openssl dgst -sha256 -sign KEY | base64 -w0",
		"openssl dgst -sha256 -sign KEY | base64 -w20",
	} {
		line, want := kms(t, how)
		key, err := Load(t.Context(), "command:"+line)
		if err != nil {
			t.Fatal(err)
		}
		if !want.key.PublicKey.Equal(key.Public()) {
			t.Errorf("%s: another key", how)
		}
		first, err := key.Sign(t.Context(), []byte("payload"))
		if err != nil {
			t.Errorf("%s: %v", how, err)
			continue
		}
		if err := Verify(want.Public(), []byte("payload"), first); err != nil {
			t.Errorf("%s: %v", how, err)
		}
		// The same is signed once.
		second, err := key.Sign(t.Context(), []byte("payload"))
		if err != nil || string(first) != string(second) {
			t.Errorf("%s: it was signed twice; %v", how, err)
		}
		if other, err := key.Sign(t.Context(), []byte("other")); err != nil || Verify(want.Public(), []byte("other"), other) != nil {
			t.Errorf("%s: %v", how, err)
		}
	}
}

func TestCommandRefuses(t *testing.T) {
	other := writeFile(t, "other.pem", pemOf("PRIVATE KEY", pkcs8(t, newKey(t).key)), 0o600)
	for how, want := range map[string]string{
		"openssl dgst -sha256 -sign " + other: "is no signature by the key",
		"openssl dgst -sha512 -sign KEY":      "is no signature by the key",
		"echo hello":                          "is no signature by the key",
		"true":                                "is no signature by the key",
		"echo access denied for kms:Sign >&2; exit 3": "exit status 3; it said: access denied for kms:Sign",
		"exec head -c 100000 /dev/zero":               "printed more than 65536 bytes",
		"yes denied | head -c 100000 >&2; exit 1":     "exit status 1; it said: denied",
		"kill -9 $$": "signal: killed",
	} {
		line, _ := kms(t, how)
		key, err := Load(t.Context(), "command:"+line)
		if err != nil {
			t.Fatal(err)
		}
		_, err = key.Sign(t.Context(), []byte("payload"))
		if err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 6000 {
			t.Errorf("%s: error %.300v; want one with %q", how, err, want)
		}
	}
	for program, want := range map[string]string{
		filepath.Join(t.TempDir(), "missing"):                            "no such file",
		writeFile(t, "a", "#!/bin/sh\necho nothing\n", 0o700):            "printed: it has no key in PEM form",
		writeFile(t, "b", "#!/bin/sh\ncat "+other+"\n", 0o700):           "it is a private key",
		writeFile(t, "c", "#!/bin/sh\necho denied >&2; exit 1\n", 0o700): "public-key`: exit status 1; it said: denied",
	} {
		if _, err := Load(t.Context(), "command:"+program); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v; want one with %q", err, want)
		}
	}
}

// A program that hangs is ended with all that it started.
func TestCommandHangs(t *testing.T) {
	testtool.Whole(t)
	defer func(d time.Duration) { commandTimeout = d }(commandTimeout)
	mark := filepath.Join(t.TempDir(), "mark")
	line, _ := kms(t, "(sleep 4; echo >"+mark+") & sleep 100")
	key, err := Load(t.Context(), "command:"+line)
	if err != nil {
		t.Fatal(err)
	}
	commandTimeout = 500 * time.Millisecond
	start := time.Now()
	if _, err := key.Sign(t.Context(), []byte("x")); err == nil || !strings.Contains(err.Error(), "gave no answer within 500ms") {
		t.Errorf("error %v", err)
	}
	commandTimeout = time.Minute
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(200*time.Millisecond, func() { cancel(errors.New("stopped by the user")) })
	if _, err := key.Sign(ctx, []byte("x")); err == nil || !strings.Contains(err.Error(), "stopped by the user") {
		t.Errorf("error %v", err)
	}
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("it took %s", took)
	}
	time.Sleep(time.Until(start.Add(6 * time.Second)))
	if _, err := os.Stat(mark); err == nil {
		t.Error("what the program started is still running")
	}
}

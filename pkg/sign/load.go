package sign

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// passwordVariable has the password of cosign's encrypted keys.
const passwordVariable = "COSIGN_PASSWORD"

// Prefixes of what Load reads.
const (
	envPrefix     = "env:"
	commandPrefix = "command:"
)

// Load reads the private key that spec names:
//
//   - FILE: a PEM file (PKCS #8, SEC 1, or cosign's encrypted form),
//   - env:NAME: an environment variable with that PEM in it,
//   - command:CMD ARGS…: a program that signs. `CMD ARGS… public-key` prints
//     the public key as PEM; `CMD ARGS… sign` prints the ECDSA signature over
//     the SHA-256 of standard input, in DER or in base64 of that. The line is
//     split at white space and no shell reads it.
//
// The password of an encrypted key is the environment variable COSIGN_PASSWORD;
// where that is not set and standard input is a terminal, it is asked for there.
func Load(ctx context.Context, spec string) (Key, error) {
	if line, ok := strings.CutPrefix(spec, commandPrefix); ok {
		return newCommand(ctx, line)
	}
	text, note, err := read(spec, "private")
	if err != nil {
		return nil, err
	}
	key, err := parsePrivate(text, func() ([]byte, error) { return password(spec) })
	if err != nil {
		return nil, fmt.Errorf("reading the key %s: %w", shown(spec), err)
	}
	return &local{key: key, note: note}, nil
}

// LoadPublic reads the public key that spec names: FILE or env:NAME, in PEM form.
func LoadPublic(spec string) (crypto.PublicKey, error) {
	if strings.HasPrefix(spec, commandPrefix) {
		return nil, errors.New("a public key comes from FILE or env:NAME; write it to a file with `CMD public-key`")
	}
	text, _, err := read(spec, "public")
	if err != nil {
		return nil, err
	}
	pub, err := ParsePublic(text)
	if err != nil {
		return nil, fmt.Errorf("reading the key %s: %w", shown(spec), err)
	}
	return pub, nil
}

// Note is what Load found that is no reason to fail: that others can read the
// key's file. It is empty where there is nothing.
func Note(k Key) string {
	if l, ok := k.(*local); ok {
		return l.note
	}
	return ""
}

// local is a private key in this process.
type local struct {
	key  *ecdsa.PrivateKey
	note string
}

func (l *local) Public() crypto.PublicKey { return &l.key.PublicKey }

// Sign is deterministic (RFC 6979): the same release signs to the same bytes.
func (l *local) Sign(_ context.Context, payload []byte) ([]byte, error) {
	sum := sha256.Sum256(payload)
	return l.key.Sign(nil, sum[:], crypto.SHA256)
}

// read returns the text that spec names and a note about it.
func read(spec, kind string) (text []byte, note string, err error) {
	if name, ok := strings.CutPrefix(spec, envPrefix); ok {
		value := os.Getenv(name)
		if value == "" {
			return nil, "", fmt.Errorf("the environment variable %s, which should have the %s key, is not set; put the PEM into it", shown(name), kind)
		}
		return []byte(value), "", nil
	}
	if strings.Contains(spec, "-----BEGIN") {
		return nil, "", fmt.Errorf("a key itself is given in place of its name, where it is seen by everybody on this machine; put it into a file, or into an environment variable NAME and give env:NAME")
	}
	if spec == "" {
		return nil, "", errors.New("the key has no name; give FILE, env:NAME or command:CMD")
	}
	f, err := os.Open(spec)
	if err != nil {
		return nil, "", fmt.Errorf("reading the %s key: %w; give FILE, env:NAME or command:CMD", kind, err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, "", fmt.Errorf("reading the %s key: %w", kind, err)
	case info.IsDir():
		return nil, "", fmt.Errorf("reading the %s key: %s is a folder; name the key's file in it", kind, spec)
	case kind == "private" && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0:
		note = fmt.Sprintf("the private key %s can be read by others on this machine (mode %04o); run `chmod 600 %[1]s`", spec, info.Mode().Perm())
	}
	text, err = io.ReadAll(io.LimitReader(f, maxPEM+1))
	if err != nil {
		return nil, "", fmt.Errorf("reading the %s key: %w", kind, err)
	}
	return text, note, nil
}

// password is that of an encrypted key.
func password(spec string) ([]byte, error) {
	if value, ok := os.LookupEnv(passwordVariable); ok {
		return []byte(value), nil
	}
	if in := int(os.Stdin.Fd()); term.IsTerminal(in) {
		fmt.Fprintf(os.Stderr, "Password of the key %s: ", shown(spec))
		secret, err := term.ReadPassword(in)
		fmt.Fprintln(os.Stderr)
		if err != nil {
			return nil, fmt.Errorf("reading the password: %w", err)
		}
		return secret, nil
	}
	return nil, errors.New("it is encrypted and " + passwordVariable + " is not set; put the key's password into that environment variable")
}

// shown cuts what is quoted in a message.
func shown(s string) string {
	if len(s) > 200 {
		s = s[:200] + "…"
	}
	return s
}

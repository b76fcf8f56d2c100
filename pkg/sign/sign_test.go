package sign

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"

	"github.com/imgbuild/imgbuild/internal/testtool"
)

// rfcKey is the key of RFC 6979, A.2.5.
func rfcKey(t *testing.T) *local {
	t.Helper()
	d, err := hex.DecodeString("C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721")
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d)
	if err != nil {
		t.Fatal(err)
	}
	return &local{key: key}
}

func newKey(t *testing.T) *local {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &local{key: key}
}

// Local keys sign as RFC 6979, A.2.5 has it for SHA-256: always the same bytes.
func TestDeterministic(t *testing.T) {
	for message, want := range map[string][2]string{
		"sample": {"EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716", "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8"},
		"test":   {"F1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367", "019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083"},
	} {
		got, err := rfcKey(t).Sign(t.Context(), []byte(message))
		if err != nil {
			t.Fatal(err)
		}
		for _, number := range want {
			n, _ := new(big.Int).SetString(number, 16)
			if !bytes.Contains(got, n.Bytes()) {
				t.Errorf("%s: %x has not %s", message, got, number)
			}
		}
		if err := Verify(rfcKey(t).Public(), []byte(message), got); err != nil {
			t.Error(err)
		}
	}
}

func TestVerifyRefuses(t *testing.T) {
	k := newKey(t)
	payload := []byte("payload")
	good, err := k.Sign(t.Context(), payload)
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(good)
	flipped[len(flipped)-1] ^= 1
	for name, v := range map[string]struct {
		key                crypto.PublicKey
		payload, signature []byte
	}{
		"another key":       {newKey(t).Public(), payload, good},
		"another payload":   {k.Public(), []byte("Payload"), good},
		"another signature": {k.Public(), payload, flipped},
		"none":              {k.Public(), payload, nil},
		"something behind":  {k.Public(), payload, append(bytes.Clone(good), 0)},
		"too large":         {k.Public(), payload, make([]byte, 1<<20)},
	} {
		if err := Verify(v.key, v.payload, v.signature); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// The fingerprint is what ssh-keygen and DSSE's library have.
func TestFingerprint(t *testing.T) {
	k := newKey(t)
	got := Fingerprint(k.Public())
	if want, err := dsse.SHA256KeyID(k.Public()); err != nil || got != want {
		t.Errorf("%s, want %s (%v)", got, want, err)
	}
	tool := testtool.Need(t, "ssh-keygen", "openssh-client")
	text, err := PublicPEM(k.Public())
	if err != nil {
		t.Fatal(err)
	}
	path := writeFile(t, "key.pub", string(text), 0o600)
	public, err := exec.Command(tool, "-i", "-m", "PKCS8", "-f", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(tool, "-l", "-f", writeFile(t, "ssh.pub", string(public), 0o600)).CombinedOutput()
	if err != nil || !strings.Contains(string(out), got) {
		t.Errorf("%s; ssh-keygen: %s %v", got, out, err)
	}
}

func writeFile(t *testing.T, name, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func hash(t *testing.T, s string) v1.Hash {
	t.Helper()
	h, _, err := v1.SHA256(strings.NewReader(s))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

package sign

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/secure-systems-lab/go-securesystemslib/encrypted"

	"github.com/imgbuild/imgbuild/internal/testtool"
)

func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func pkcs8(t *testing.T, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// forms are one key in all plain forms that are read.
func forms(t *testing.T, key *ecdsa.PrivateKey) map[string]string {
	t.Helper()
	sec1, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	// openssl writes the curve's name in front, unless it is told not to.
	params := pemOf("EC PARAMETERS", []byte{0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07})
	return map[string]string{
		"PKCS #8":                 pemOf("PRIVATE KEY", pkcs8(t, key)),
		"SEC 1":                   pemOf("EC PRIVATE KEY", sec1),
		"SEC 1 behind parameters": params + pemOf("EC PRIVATE KEY", sec1),
		"text around it":          "a comment\n" + pemOf("PRIVATE KEY", pkcs8(t, key)) + "more\n",
	}
}

// sealed is the key in cosign's encrypted form.
func sealed(t *testing.T, key *ecdsa.PrivateKey, password string) []byte {
	t.Helper()
	b, err := encrypted.Encrypt(pkcs8(t, key), []byte(password))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestEncrypted: cosign's keys, with their password and without.
func TestEncrypted(t *testing.T) {
	testtool.Whole(t) // to derive a key takes seconds with the race detector
	noTerminal(t)
	key := newKey(t)
	der := sealed(t, key.key, "secret")
	for _, kind := range []string{"ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY"} {
		path := writeFile(t, "cosign.key", pemOf(kind, der), 0o600)
		t.Setenv("COSIGN_PASSWORD", "secret")
		got, err := Load(t.Context(), path)
		if err != nil || !key.key.PublicKey.Equal(got.Public()) {
			t.Errorf("%s: %v", kind, err)
		}
		t.Setenv("COSIGN_PASSWORD", "wr0ng-passw0rd")
		if _, err := Load(t.Context(), path); err == nil || !strings.Contains(err.Error(), "is not that of the key") || strings.Contains(err.Error(), "wr0ng") {
			t.Errorf("%s: error %v", kind, err)
		}
		os.Unsetenv("COSIGN_PASSWORD")
		if _, err := Load(t.Context(), path); err == nil || !strings.Contains(err.Error(), "it is encrypted and COSIGN_PASSWORD is not set; put the key's password into") {
			t.Errorf("%s: error %v", kind, err)
		}
	}
}

// noTerminal is a standard input that no password can come from.
func noTerminal(t *testing.T) {
	t.Helper()
	in, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	old := os.Stdin
	os.Stdin = in
	t.Cleanup(func() { os.Stdin = old; in.Close() })
}

func TestLoad(t *testing.T) {
	key := newKey(t)
	for name, text := range forms(t, key.key) {
		t.Setenv("SIGNING_KEY", text)
		for _, spec := range []string{"env:SIGNING_KEY", writeFile(t, "key.pem", text, 0o600)} {
			got, err := Load(t.Context(), spec)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if !key.key.PublicKey.Equal(got.Public()) || Note(got) != "" {
				t.Errorf("%s: another key, or the note %q", name, Note(got))
			}
			signature, err := got.Sign(t.Context(), []byte("x"))
			if err != nil || Verify(key.Public(), []byte("x"), signature) != nil {
				t.Errorf("%s: it signs with another key; %v", name, err)
			}
		}
	}
	text, err := PublicPEM(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PUBLIC_KEY", string(text))
	for _, spec := range []string{"env:PUBLIC_KEY", writeFile(t, "key.pub", string(text), 0o644)} {
		if got, err := LoadPublic(spec); err != nil || !key.key.PublicKey.Equal(got) {
			t.Errorf("%s: %v", spec, err)
		}
	}
}

// Keys that others can read are used, and told of.
func TestReadableByOthers(t *testing.T) {
	text := pemOf("PRIVATE KEY", pkcs8(t, newKey(t).key))
	for mode, want := range map[os.FileMode]bool{0o600: false, 0o400: false, 0o640: true, 0o644: true, 0o604: true} {
		path := writeFile(t, "key.pem", text, mode)
		key, err := Load(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		if note := Note(key); strings.Contains(note, "chmod 600 "+path) != want {
			t.Errorf("%04o: note %q", mode, note)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	noTerminal(t)
	key := newKey(t)
	all := forms(t, key.key)
	public, err := PublicPEM(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	damaged := pkcs8(t, key.key)
	damaged[len(damaged)/2] ^= 1
	for name, v := range map[string]struct{ text, want string }{
		"empty":           {" ", "no key in PEM form"},
		"text":            {"hello", "no key in PEM form"},
		"RSA":             {pemOf("PRIVATE KEY", pkcs8(t, rsaKey)), "it is an RSA key, and images are signed with ECDSA keys on the curve P-256 only; make one with `openssl"},
		"RSA, PKCS #1":    {pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey)), "RSA PRIVATE KEY"},
		"Ed25519":         {pemOf("PRIVATE KEY", pkcs8(t, edKey)), "it is an Ed25519 key"},
		"P-384":           {pemOf("PRIVATE KEY", pkcs8(t, p384)), "on the curve P-384"},
		"encrypted":       {pemOf("ENCRYPTED PRIVATE KEY", []byte("x")), "import it with `cosign import-key-pair`"},
		"openssl's old":   {"-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END EC PRIVATE KEY-----\n", "import it with `cosign import-key-pair`"},
		"public":          {string(public), "to sign takes the private one"},
		"certificate":     {pemOf("CERTIFICATE", []byte("x")), `it is a "CERTIFICATE"`},
		"damaged PKCS #8": {pemOf("PRIVATE KEY", damaged[:40]), "not a private key (PKCS #8)"},
		"damaged SEC 1":   {pemOf("EC PRIVATE KEY", []byte("x")), "not an EC private key"},
		"damaged cosign":  {pemOf("ENCRYPTED SIGSTORE PRIVATE KEY", []byte("{")), "COSIGN_PASSWORD is not set"},
		"only parameters": {pemOf("EC PARAMETERS", []byte("x")), "no key in PEM form"},
		"too large":       {strings.Repeat("x", maxPEM+1), "larger than"},
	} {
		t.Setenv("SIGNING_KEY", v.text)
		for _, spec := range []string{"env:SIGNING_KEY", writeFile(t, "key.pem", v.text, 0o600)} {
			_, err := Load(t.Context(), spec)
			if err == nil || !strings.Contains(err.Error(), v.want) || !strings.Contains(err.Error(), spec) {
				t.Errorf("%s: error %v; want one with %q", name, err, v.want)
			}
		}
	}

	for spec, want := range map[string]string{
		"":                                    "the key has no name",
		"env:":                                "is not set",
		"env:NO_SUCH_VARIABLE":                "NO_SUCH_VARIABLE, which should have the private key, is not set",
		filepath.Join(t.TempDir(), "missing"): "no such file",
		t.TempDir():                           "is a folder",
		all["PKCS #8"]:                        "a key itself is given",
		"command:":                            "names no program",
		"command: ":                           "names no program",
	} {
		_, err := Load(t.Context(), spec)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.30q: error %v; want one with %q", spec, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "MIG") {
			t.Errorf("there is a key in %v", err)
		}
	}
}

func TestLoadPublicRefuses(t *testing.T) {
	key := newKey(t)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	rsaPublic, err := x509.MarshalPKIXPublicKey(&rsaKey.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		pemOf("PRIVATE KEY", pkcs8(t, key.key)):     "it is a private key; to verify takes the public one",
		pemOf("PUBLIC KEY", rsaPublic):              "it is an RSA key",
		pemOf("PUBLIC KEY", []byte("x")):            "not a public key",
		pemOf("CERTIFICATE", []byte("x")):           "CERTIFICATE",
		"ecdsa-sha2-nistp256 AAAA somebody@example": "no key in PEM form",
	} {
		_, err := LoadPublic(writeFile(t, "key.pub", text, 0o644))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v; want one with %q", err, want)
		}
	}
	if _, err := LoadPublic("command:kms"); err == nil || !strings.Contains(err.Error(), "FILE or env:NAME") {
		t.Errorf("error %v", err)
	}
}

// The commands that the docs and errors name make keys that are read.
func TestOpenSSL(t *testing.T) {
	tool := testtool.Need(t, "openssl", "openssl")
	dir := t.TempDir()
	path, pub := filepath.Join(dir, "key.pem"), filepath.Join(dir, "key.pub")
	for _, args := range [][]string{
		{"ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path},
		{"pkey", "-in", path, "-pubout", "-out", pub},
	} {
		if out, err := exec.Command(tool, args...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	key, err := Load(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(pub)
	if err != nil {
		t.Fatal(err)
	}
	got, err := PublicPEM(key.Public())
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%v\n%s\nwant\n%s", err, got, want)
	}
	// And openssl verifies what it signs.
	signature, err := key.Sign(t.Context(), []byte("payload"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(tool, "dgst", "-sha256", "-verify", pub, "-signature", writeFile(t, "sig", string(signature), 0o600))
	cmd.Stdin = strings.NewReader("payload")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/internal/testtool"
)

// authority signs certificates for one test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a, err := makeAuthority()
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func makeAuthority() (*authority, error) {
	cert, key, err := (&authority{}).sign("authority", true)
	return &authority{cert, key}, err
}

// issue makes a certificate.
func (a *authority) issue(t testing.TB, name string) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	cert, key, err := a.sign(name, false)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

// sign makes a certificate, signed by a where it has a key.
func (a *authority) sign(name string, ca bool) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(3 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IsCA: ca, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:    []string{name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		return nil, nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return cert, key, err
}

// folder has ca.pem, and cert.pem and key.pem for a name.
func (a *authority) folder(t testing.TB, name string) string {
	t.Helper()
	dir := t.TempDir()
	cert, key := a.issue(t, name)
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{
		"ca.pem":   {Type: "CERTIFICATE", Bytes: a.cert.Raw},
		"cert.pem": {Type: "CERTIFICATE", Bytes: cert.Raw},
		"key.pem":  {Type: "EC PRIVATE KEY", Bytes: der},
	} {
		if err := os.WriteFile(filepath.Join(dir, file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// A builder at tcp:// is trusted by its certificate, and asks for one.
func TestBuilderTLS(t *testing.T) {
	dir := small(t)
	ours, theirs := newAuthority(t), newAuthority(t)
	server, client, stranger := ours.folder(t, "builder.example.com"), ours.folder(t, "client"), theirs.folder(t, "client")
	at := "tcp://" + testtool.FreeAddress(t)
	testtool.BuildKitd(t, "--addr", at, "--tlscacert", server+"/ca.pem", "--tlscert", server+"/cert.pem", "--tlskey", server+"/key.pem")
	want := run{}.ok(t, dir)
	files := func(dir string) string {
		return "?cacert=" + dir + "/ca.pem&cert=" + dir + "/cert.pem&key=" + dir + "/key.pem"
	}
	for name, args := range map[string][]string{
		"in the address":         {"--buildkit", at + files(client)},
		"in a folder":            {"--buildkit", at, "--buildkit-tls", client},
		"with the server's name": {"--buildkit", at + files(client) + "&servername=builder.example.com"},
	} {
		if got := (run{store: t.TempDir()}).ok(t, append([]string{dir, "--engine", "buildkit"}, args...)...); got != want {
			t.Errorf("%s: built %swant %s", name, got, want)
		}
	}
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"another authority":  {[]string{"--buildkit", at + files(stranger)}, 1, "certificate signed by unknown authority"},
		"no certificate":     {[]string{"--buildkit", at + "?cacert=" + client + "/ca.pem"}, 1, "does not answer"}, // the alert may come after the broken connection
		"no TLS":             {[]string{"--buildkit", at}, 1, "does not answer"},
		"another name":       {[]string{"--buildkit", at + files(client) + "&servername=other.example.com"}, 1, "not other.example.com"},
		"no such folder":     {[]string{"--buildkit", at, "--buildkit-tls", dir + "/none"}, 2, "needs ca.pem"},
		"no such file":       {[]string{"--buildkit", at + files(dir)}, 1, "no such file or directory"},
		"an unknown setting": {[]string{"--buildkit", at + "?tlsca=/x"}, 2, `has the setting "tlsca"`},
	} {
		begin := time.Now()
		s := run{store: t.TempDir()}.do(t, append([]string{dir, "--engine", "buildkit"}, c.args...)...)
		if s.code != c.code || s.stdout != "" || !strings.Contains(s.stderr, c.want) || c.code == 1 && !strings.Contains(s.stderr, at) {
			t.Errorf("%s: exit %d, no %q: %s", name, s.code, c.want, s.stderr)
		}
		if took := time.Since(begin); took > time.Minute {
			t.Errorf("%s: it took %s", name, took)
		}
	}
}

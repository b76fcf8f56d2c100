package dockerfile_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/buildkit"
)

func TestTLS(t *testing.T) {
	testtool.Whole(t)
	server, stranger := authority(t), authority(t)
	address := testtool.FreeAddress(t)
	testtool.BuildKitd(t, "--addr", "tcp://"+address, "--tlscacert", filepath.Join(server, "ca.pem"),
		"--tlscert", filepath.Join(server, "cert.pem"), "--tlskey", filepath.Join(server, "key.pem"))

	b := newBuild(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY Dockerfile /\n"})
	files := func(ca, cert string) string {
		return "tcp://" + address + "?cacert=" + filepath.Join(ca, "ca.pem") + "&cert=" + filepath.Join(cert, "cert.pem") + "&key=" + filepath.Join(cert, "key.pem")
	}
	mustRun(t, b, dial(t, files(server, server), ""))
	mustRun(t, b, dial(t, "tcp://"+address, server))

	for name, c := range map[string]struct{ url, dir, want string }{
		"another authority":   {files(stranger, server), "", "unknown authority"},
		"another certificate": {files(server, stranger), "", "--buildkit-tls"},
		"no certificate":      {"tcp://" + address + "?cacert=" + filepath.Join(server, "ca.pem"), "", "--buildkit-tls"},
		"another name":        {files(server, server) + "&servername=elsewhere.example.com", "", "elsewhere.example.com"},
		"no TLS":              {"tcp://" + address, "", "--buildkit-tls"},
	} {
		t.Run(name, func(t *testing.T) {
			a, err := buildkit.ParseAddress(c.url, c.dir)
			if err != nil {
				t.Fatal(err)
			}
			begun := time.Now()
			_, err = buildkit.Dial(t.Context(), a)
			if _, ok := errors.AsType[*buildkit.UnreachableError](err); !ok {
				t.Fatalf("%v", err)
			}
			wantIn(t, err.Error(), "the builder tcp://"+address+" does not answer", c.want)
			if d := time.Since(begun); d > time.Minute {
				t.Errorf("it took %s", d)
			}
		})
	}
}

// authority is a folder with ca.pem, and cert.pem and key.pem that it signed, for
// 127.0.0.1 and for clients.
func authority(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	key := func() *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	write := func(name, kind string, der []byte, err error) {
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	template := func(name string) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true,
		}
	}
	caKey, leafKey := key(), key()
	ca := template("test authority")
	ca.IsCA, ca.KeyUsage = true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	write("ca.pem", "CERTIFICATE", der, err)
	leaf := template("test")
	leaf.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	leaf.KeyUsage = x509.KeyUsageDigitalSignature
	leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	der, err = x509.CreateCertificate(rand.Reader, leaf, ca, &leafKey.PublicKey, caKey)
	write("cert.pem", "CERTIFICATE", der, err)
	der, err = x509.MarshalPKCS8PrivateKey(leafKey)
	write("key.pem", "PRIVATE KEY", der, err)
	return dir
}

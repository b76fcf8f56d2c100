package effect

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// rdn is one relative name of a subject: attributes of a string type each.
type rdn []struct {
	oid  asn1.ObjectIdentifier
	tag  int
	text string
}

var (
	country      = asn1.ObjectIdentifier{2, 5, 4, 6}
	organization = asn1.ObjectIdentifier{2, 5, 4, 10}
	commonName   = asn1.ObjectIdentifier{2, 5, 4, 3}
	serial       = asn1.ObjectIdentifier{2, 5, 4, 5}
)

// makeCert returns a certificate in PEM with the subject.
func makeCert(t *testing.T, subject []rdn) []byte {
	t.Helper()
	var sets []asn1.RawValue
	for _, r := range subject {
		var set []byte
		for _, a := range r {
			oid, err := asn1.Marshal(a.oid)
			if err != nil {
				t.Fatal(err)
			}
			der, err := asn1.Marshal(attribute{asn1.RawValue{FullBytes: oid}, asn1.RawValue{Tag: a.tag, Bytes: []byte(a.text)}})
			if err != nil {
				t.Fatal(err)
			}
			set = append(set, der...)
		}
		sets = append(sets, asn1.RawValue{Tag: asn1.TagSet, IsCompound: true, Bytes: set})
	}
	name, err := asn1.Marshal(sets)
	if err != nil {
		t.Fatal(err)
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	issuer := &x509.Certificate{Subject: pkix.Name{CommonName: "issuer"}}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(1), RawSubject: name, NotAfter: time.Unix(4e9, 0),
	}, issuer, public, private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// The hashes are those of OpenSSL 3.0; where openssl is installed it is asked
// again.
func TestSubjectHash(t *testing.T) {
	for _, c := range []struct {
		name, hash string
		subject    []rdn
	}{
		{"plain", "1514084c", []rdn{{{country, 19, "CN"}}, {{organization, 19, "Example"}}, {{commonName, 12, "Example Root CA"}}}},
		{"case and blanks", "1514084c", []rdn{{{country, 19, "cn"}}, {{organization, 12, " \tEXAMPLE\r\n"}}, {{commonName, 19, "example  \t root ca  "}}}},
		{"other letters", "f8a0e9f2", []rdn{{{commonName, 12, "Főtanúsítvány ÄÖ"}}}},
		{"T61", "7f38b567", []rdn{{{commonName, 20, "F\xfc\xdf Root"}}}},
		{"BMP", "27678281", []rdn{{{commonName, 30, "\x00R\x01\x51\x00o\x00t\x00 \x00 \x00C"}}}},
		{"universal", "a6305be4", []rdn{{{commonName, 28, "\x00\x00\x00R\x00\x01\xf6\x00"}}}},
		{"two in one set", "0f8982d2", []rdn{{{commonName, 12, "b"}, {organization, 12, "a"}}, {{serial, 19, "0 1"}}}},
		{"not a text type", "1de61c1e", []rdn{{{commonName, 18, "1 2  3"}}}},
		{"only blanks", "5da78770", []rdn{{{commonName, 19, "   "}}}},
	} {
		text := makeCert(t, c.subject)
		der, ok := onlyCertificate(text)
		if !ok {
			t.Fatal("not one certificate")
		}
		got, err := subjectHash(der)
		if err != nil || got != c.hash {
			t.Errorf("%s: got %s, %v; want %s", c.name, got, err, c.hash)
		}
		if tool, err := exec.LookPath("openssl"); err == nil {
			cmd := exec.CommandContext(t.Context(), tool, "x509", "-noout", "-subject_hash")
			cmd.Stdin = strings.NewReader(string(text))
			if out, err := cmd.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != c.hash {
				t.Errorf("%s: openssl says %s (%v), the table %s", c.name, out, err, c.hash)
			}
		}
	}
}

func TestCACertificates(t *testing.T) {
	one := string(makeCert(t, []rdn{{{commonName, 12, "One"}}}))
	same := string(makeCert(t, []rdn{{{commonName, 12, "ONE"}}}))
	m := newMemTree("amd64").
		file("usr/share/ca-certificates/mozilla/B (x), y.crt", strings.TrimSuffix(one, "\n")).
		file("usr/share/ca-certificates/mozilla/A.crt", same).
		file("usr/share/ca-certificates/mozilla/two.crt", one+same).
		file("usr/local/share/ca-certificates/own.crt", one).
		file("usr/share/ca-certificates/mozilla/readme.txt", "no")
	if err := (caCertificates{}).Apply(m); err != nil {
		t.Fatal(err)
	}
	der, _ := onlyCertificate([]byte(one))
	hash, err := subjectHash(der)
	if err != nil {
		t.Fatal(err)
	}
	for p, want := range map[string]string{
		"etc/ssl/certs/ca-certificates.crt": same + one + one + same + one,
		"etc/ca-certificates.conf":          certsConfHeader + "mozilla/A.crt\nmozilla/B (x), y.crt\nmozilla/two.crt\n",
		"etc/ssl/certs/B_=x=__y.pem":        "→ /usr/share/ca-certificates/mozilla/B (x), y.crt",
		"etc/ssl/certs/own.pem":             "→ /usr/local/share/ca-certificates/own.crt",
		"etc/ssl/certs/two.pem":             "→ /usr/share/ca-certificates/mozilla/two.crt",
		"etc/ssl/certs/" + hash + ".0":      "→ A.pem",
		"etc/ssl/certs/" + hash + ".1":      "→ B_=x=__y.pem",
		"etc/ssl/certs/" + hash + ".2":      "→ own.pem",
		"etc/ssl/certs/" + hash + ".3":      "(nothing)",
	} {
		if got := m.text(p); got != want {
			t.Errorf("%s: got %q, want %q", p, got, want)
		}
	}
	bad := newMemTree("amd64").file("usr/share/ca-certificates/x.crt", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
	if err := (caCertificates{}).Apply(bad); err == nil || !strings.Contains(err.Error(), "/usr/share/ca-certificates/x.crt: reading the certificate") {
		t.Errorf("a broken certificate gave %v", err)
	}
}

func FuzzSubjectHash(f *testing.F) {
	f.Add([]byte("0\x00"))
	f.Fuzz(func(t *testing.T, der []byte) {
		if hash, err := subjectHash(der); err == nil && len(hash) != 8 {
			t.Errorf("got %q", hash)
		}
		_, _ = canonicalName(der)
	})
}

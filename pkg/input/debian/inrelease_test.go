package debian

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

var testTime = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// newKey makes a signing key that was made a year before testTime.
func newKey(t testing.TB, lifetime time.Duration) *openpgp.Entity {
	t.Helper()
	e, err := openpgp.NewEntity("Test Archive", "", "archive@example.com", &packet.Config{
		Algorithm:       packet.PubKeyAlgoEdDSA,
		Time:            func() time.Time { return testTime.AddDate(-1, 0, 0) },
		KeyLifetimeSecs: uint32(lifetime / time.Second),
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// sign makes a clearsigned file with one signature a key.
func sign(t testing.TB, text string, at time.Time, keys ...*openpgp.Entity) string {
	t.Helper()
	var private []*packet.PrivateKey
	for _, k := range keys {
		private = append(private, k.PrivateKey)
	}
	var b bytes.Buffer
	w, err := clearsign.EncodeMulti(&b, private, &packet.Config{Time: func() time.Time { return at }})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestVerifyClearsigned(t *testing.T) {
	known, second, stranger := newKey(t, 0), newKey(t, 0), newKey(t, 0)
	brief := newKey(t, 24*time.Hour)
	keys := openpgp.EntityList{known, second, brief}
	const text = "Codename: trixie\nSHA256:\n abc 1 x\n- dash: 1\n"
	good := sign(t, text, testTime, known)
	evil := "Codename: evil\n"
	fpr := func(e *openpgp.Entity) string { return strings.ToUpper(hexOf(e.PrimaryKey.Fingerprint)) }

	for name, tc := range map[string]struct {
		data    string
		signers int
		err     string
	}{
		"good":                     {good, 1, ""},
		"two":                      {sign(t, text, testTime, known, second), 2, ""},
		"twice by one":             {sign(t, text, testTime, known, known), 1, ""},
		"a stranger too":           {sign(t, text, testTime, stranger, known), 1, ""},
		"CRLF":                     {strings.ReplaceAll(good, "\n", "\r\n"), 1, ""},
		"key expired since":        {sign(t, text, testTime.AddDate(-1, 0, 0).Add(time.Hour), brief), 1, ""},
		"empty":                    {"", 0, "does not begin with a signed message"},
		"unsigned":                 {text, 0, "does not begin with a signed message"},
		"text before":              {evil + good, 0, "does not begin with a signed message"},
		"empty line before":        {"\n" + good, 0, "does not begin with a signed message"},
		"text after":               {good + evil, 0, "text after the signature"},
		"second message":           {good + "\n" + good, 0, "text after the signature"},
		"changed":                  {strings.Replace(good, "trixie", "trixin", 1), 0, "is not valid"},
		"line added":               {strings.Replace(good, "SHA256:", "SHA256:\n evil", 1), 0, "is not valid"},
		"line removed":             {strings.Replace(good, " abc 1 x\n", "", 1), 0, "is not valid"},
		"header added":             {strings.Replace(good, "Hash: ", "Codename: evil\nHash: ", 1), 0, "damaged or cut off"},
		"text between the headers": {strings.Replace(good, "-----BEGIN PGP SIGNED MESSAGE-----", "-----BEGIN PGP SIGNED MESSAGE----- evil", 1), 0, "damaged or cut off"},
		"unknown key":              {sign(t, text, testTime, stranger), 0, "keys that imgbuild does not know: " + fpr(stranger)[24:]},
		"key expired before":       {sign(t, text, testTime.AddDate(0, -1, 0), brief), 0, "expired"},
		"made in the future":       {sign(t, text, testTime.Add(2*time.Hour), known), 0, "in the future"},
		"made before the key":      {sign(t, text, testTime.AddDate(-2, 0, 0), known), 0, "is not valid"},
		"cut in the text":          {good[:100], 0, "damaged or cut off"},
		"cut in the signature":     {good[:len(good)-60], 0, "damaged or cut off"},
		"signature's byte changed": {flipSignature(good), 0, "signature"},
		"another's signature":      {strings.Split(good, "-----BEGIN PGP SIGNATURE")[0] + "-----BEGIN PGP SIGNATURE" + strings.Split(sign(t, evil, testTime, known), "-----BEGIN PGP SIGNATURE")[1], 0, "is not valid"},
	} {
		t.Run(name, func(t *testing.T) {
			got, signers, err := verifyClearsigned([]byte(tc.data), keys, testTime)
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) || got != nil {
					t.Errorf("got %q, %v, want …%s…", got, err, tc.err)
				}
				return
			}
			if err != nil || len(signers) != tc.signers || string(got)+"\n" != text && string(got) != text {
				t.Errorf("got %q, signers %v, %v", got, signers, err)
			}
		})
	}
	if _, signers, _ := verifyClearsigned([]byte(good), keys, testTime); len(signers) != 1 || signers[0] != fpr(known) {
		t.Errorf("signers %v, want %s", signers, fpr(known))
	}
}

// flipSignature changes a byte in the middle of the signature's base64.
func flipSignature(s string) string {
	i := strings.Index(s, "-----BEGIN PGP SIGNATURE")
	i += strings.Index(s[i:], "\n\n") + 60
	c := byte('A')
	if s[i] == c {
		c = 'B'
	}
	return s[:i] + string(c) + s[i+1:]
}

func TestVerifyClearsignedEveryByte(t *testing.T) {
	key := newKey(t, 0)
	const text = "Codename: trixie\nDate: Fri, 20 Nov 2026 02:11:10 UTC\n"
	good := sign(t, text, testTime, key)
	for i := range len(good) {
		b := []byte(good)
		b[i] ^= 1
		got, _, err := verifyClearsigned(b, openpgp.EntityList{key}, testTime)
		// What is outside the signed part (armor headers, line ends) may
		// change; what is returned may not.
		if err == nil && strings.TrimSpace(string(got)) != strings.TrimSpace(text) {
			t.Errorf("byte %d changed: %q", i, got)
		}
	}
}

func FuzzVerifyClearsigned(f *testing.F) {
	key := newKey(f, 0)
	const text = "Codename: trixie\n"
	good := sign(f, text, testTime, key)
	f.Add([]byte(good))
	f.Add([]byte(good[:len(good)/2]))
	f.Add([]byte(strings.Replace(good, "Hash:", "X:", 1)))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, _, err := verifyClearsigned(data, openpgp.EntityList{key}, testTime)
		if err == nil && strings.TrimSpace(string(got)) != strings.TrimSpace(text) {
			t.Errorf("%q", got)
		}
		if rel, err := parseRelease(data); err == nil {
			for path := range rel.files {
				if !localPath(path) {
					t.Errorf("path %q", path)
				}
			}
		}
	})
}

package debian

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp"
)

func hexOf(b []byte) string { return hex.EncodeToString(b) }

// Every embedded certificate is in the table of keyring/README.md, with its
// expiry, and nothing else is.
func TestKeyringIsWhatTheReadmeSays(t *testing.T) {
	readme := readFile(t, "keyring/README.md")
	files, err := keyFiles.ReadDir("keyring")
	if err != nil {
		t.Fatal(err)
	}
	rows := strings.Count(readme, "| debian-archive-")
	if rows != len(files) {
		t.Errorf("%d rows, %d files", rows, len(files))
	}
	for _, file := range files {
		f, err := keyFiles.Open("keyring/" + file.Name())
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		keys, err := openpgp.ReadKeyRing(f)
		if err != nil || len(keys) != 1 {
			t.Fatalf("%s: %d keys, %v", file.Name(), len(keys), err)
		}
		e := keys[0]
		sub := ""
		for _, s := range e.Subkeys {
			sub = "`" + strings.ToUpper(hexOf(s.PublicKey.Fingerprint)) + "` "
		}
		self, _ := e.PrimarySelfSignature()
		if self == nil || self.KeyLifetimeSecs == nil {
			t.Fatalf("%s: no self-signature with a lifetime", file.Name())
		}
		if e.PrivateKey != nil {
			t.Errorf("%s: holds a private key", file.Name())
		}
		expires := e.PrimaryKey.CreationTime.Add(secondsOf(*self.KeyLifetimeSecs)).UTC().Format("2006-01-02")
		row := "| " + file.Name() + " | `" + strings.ToUpper(hexOf(e.PrimaryKey.Fingerprint)) + "` | " + sub + "| " + expires + " |"
		if !strings.Contains(readme, row) {
			t.Errorf("the README lacks the row\n%s", row)
		}
	}
	all, err := keyring()
	if err != nil || len(all) != len(files) {
		t.Errorf("%d keys, %v", len(all), err)
	}
}

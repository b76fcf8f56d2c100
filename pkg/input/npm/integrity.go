package npm

import (
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"hash"
	"slices"
	"strings"
)

// integrity is the SHA-512 hashes of a Subresource Integrity string; content
// that matches one of them is right (W3C Subresource Integrity, section 3.3:
// only the strongest algorithm counts, any of its hashes may match).
type integrity [][]byte

// parseIntegrity reads dist.integrity. Hashes weaker than SHA-512 are ignored,
// and a string of only such ones refused: SHA-1 is what packuments had before
// 2017, and it no longer identifies a file.
func parseIntegrity(s string) (integrity, error) {
	var all integrity
	for field := range strings.FieldsSeq(s) {
		field, _, _ = strings.Cut(field, "?")
		algorithm, value, _ := strings.Cut(field, "-")
		if algorithm != "sha512" {
			continue
		}
		sum, err := base64.StdEncoding.DecodeString(value)
		if err != nil || len(sum) != sha512.Size {
			return nil, fmt.Errorf("integrity %q: not a SHA-512 in base64", field)
		}
		all = append(all, sum)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("integrity %q has no sha512, and a weaker hash is not accepted", s)
	}
	return all, nil
}

// match returns the hash of what was written to h in the form of the lock, or
// an error where it is none of the expected ones.
func (i integrity) match(h hash.Hash) (string, error) {
	got := h.Sum(nil)
	text := "sha512-" + base64.StdEncoding.EncodeToString(got)
	if !slices.ContainsFunc(i, func(want []byte) bool { return subtle.ConstantTimeCompare(want, got) == 1 }) {
		return "", fmt.Errorf("the tarball's hash is %s, which is not the one that the registry states", text)
	}
	return text, nil
}

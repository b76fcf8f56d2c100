package sign

import (
	"crypto"
	"slices"
	"strings"
)

// WrongKeyError says that none of the keys has made any of the signatures.
type WrongKeyError struct {
	// Want are the keys that were tried.
	Want []crypto.PublicKey
	// Got are fingerprints of the keys that the signatures say they are by.
	// Nothing vouches for them; a signature need not say it.
	Got []string
}

// maxHint limits a fingerprint in bytes, and maxHints how many are kept.
const (
	maxHint  = 100
	maxHints = 10
)

// Add notes whom a signature says it is by.
func (e *WrongKeyError) Add(hint string) {
	printable := strings.IndexFunc(hint, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
	if hint != "" && len(hint) <= maxHint && printable && len(e.Got) < maxHints && !slices.Contains(e.Got, hint) {
		e.Got = append(e.Got, hint)
	}
}

// Altered says that a signature claims to be by one of the keys and is not:
// what it signs was changed, or the signature was.
func (e *WrongKeyError) Altered() bool {
	for _, key := range e.Want {
		if slices.Contains(e.Got, Fingerprint(key)) {
			return true
		}
	}
	return false
}

func (e *WrongKeyError) Error() string {
	var want []string
	for _, key := range e.Want {
		want = append(want, Fingerprint(key))
	}
	key := "the key " + strings.Join(want, ", ")
	if len(want) > 1 {
		key = "any of the keys " + strings.Join(want, ", ")
	}
	switch {
	case len(want) == 0:
		return "there is no key to verify it with"
	case e.Altered():
		return "it says to be signed by " + key + ", but the signature does not fit: it was tampered with or damaged"
	case len(e.Got) > 0:
		return "it is not signed by " + key + ", but by " + strings.Join(e.Got, ", ") + " as it says"
	}
	return "it is not signed by " + key + ", or was changed since"
}

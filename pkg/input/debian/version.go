package debian

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
)

// CompareVersions compares two package versions as dpkg does: negative where a
// is older than b, 0 where they are equal, positive where a is newer. The
// algorithm is Debian Policy 5.6.12's; it is total, so that strings which are
// no valid versions have an order too.
//
// It works on the strings themselves, without allocation and without a limit
// on the digits of a number.
func CompareVersions(a, b string) int {
	if a == b {
		return 0
	}
	ea, ua, ra := splitVersion(a)
	eb, ub, rb := splitVersion(b)
	return cmp.Or(comparePart(ea, eb), comparePart(ua, ub), comparePart(ra, rb))
}

// CheckVersion returns an error where v is not a version that dpkg accepts:
// [epoch:]upstream[-revision].
func CheckVersion(v string) error {
	epoch, upstream, revision := splitVersion(v)
	switch {
	case v == "":
		return errors.New("the version is empty")
	case strings.HasPrefix(v, ":") || len(strings.TrimLeft(epoch, "0")) > 9 || !only(epoch, ""):
		return fmt.Errorf("version %q: the epoch is not a number from 0 to 999999999", v)
	case upstream == "" || !isDigit(upstream[0]):
		return fmt.Errorf("version %q does not begin with a digit", v)
	case !onlyAlphanumeric(upstream, ".+-~:"):
		return fmt.Errorf("version %q has a character that the upstream part may not have", v)
	case strings.HasSuffix(v, "-"):
		return fmt.Errorf("version %q has an empty revision", v)
	case !onlyAlphanumeric(revision, ".+~"):
		return fmt.Errorf("version %q has a character that the revision may not have", v)
	}
	return nil
}

// splitVersion cuts at the first colon and the last hyphen after it.
func splitVersion(v string) (epoch, upstream, revision string) {
	if i := strings.IndexByte(v, ':'); i >= 0 {
		epoch, v = v[:i], v[i+1:]
	}
	if i := strings.LastIndexByte(v, '-'); i >= 0 {
		return epoch, v[:i], v[i+1:]
	}
	return epoch, v, ""
}

// comparePart compares parts alternately: a run of other characters by their
// order, a run of digits by its number.
func comparePart(a, b string) int {
	for a != "" || b != "" {
		for (a != "" && !isDigit(a[0])) || (b != "" && !isDigit(b[0])) {
			if c := cmp.Compare(order(a), order(b)); c != 0 {
				return c
			}
			a, b = a[1:], b[1:]
		}
		a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
		na, nb := digits(a), digits(b)
		if c := cmp.Or(cmp.Compare(na, nb), strings.Compare(a[:na], b[:nb])); c != 0 {
			return c
		}
		a, b = a[na:], b[nb:]
	}
	return 0
}

// order gives the weight of s's first character: a tilde sorts before the end
// of the string, the end (and a digit) before letters, letters before the rest.
func order(s string) int {
	if s == "" || isDigit(s[0]) {
		return 0
	}
	switch c := s[0]; {
	case c == '~':
		return -1
	case isLetter(c):
		return int(c)
	default:
		return int(c) + 256
	}
}

func digits(s string) int {
	n := 0
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	return n
}

func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
func isLetter(c byte) bool { return 'a' <= lower(c) && lower(c) <= 'z' }

func only(s, more string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) && strings.IndexByte(more, s[i]) < 0 {
			return false
		}
	}
	return true
}

func onlyAlphanumeric(s, more string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) && !isLetter(s[i]) && strings.IndexByte(more, s[i]) < 0 {
			return false
		}
	}
	return true
}

package lock

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/imgbuild/imgbuild/internal/lazyregexp"
	"github.com/imgbuild/imgbuild/pkg/definition"
)

// maxInput is the size in bytes that one input stays under.
const maxInput = 4 << 30

var (
	isDigest   = lazyregexp.Matches(`^sha256:[0-9a-f]{64}$`)
	isHex256   = lazyregexp.Matches(`^[0-9a-f]{64}$`)
	isPlatform = lazyregexp.Matches(`^linux/(amd64|arm64)$`)
	isWord     = lazyregexp.Matches(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	// isToken: what names, versions and suites are made of (Debian Policy 5.6,
	// semver.org, npm's package names); no space and no control character.
	isToken = lazyregexp.Matches(`^[A-Za-z0-9@][A-Za-z0-9@/.+~:_-]*$`)
)

// check returns the first thing wrong with what the lock says.
func (l *Lock) check() error {
	if !isDigest(l.Definition) {
		return fmt.Errorf("definition %q is not a digest", l.Definition)
	}
	for i, a := range l.Archives {
		if !isToken(a.Name) || !isToken(a.Suite) || len(a.SignedBy) == 0 {
			return fmt.Errorf("archive %d: name, suite or signer is missing", i)
		}
	}
	if err := sorted("archives", l.Archives, func(a, b Archive) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Suite, b.Suite))
	}); err != nil {
		return err
	}
	inputs := map[string]Input{}
	for _, in := range l.Inputs {
		if err := in.check(); err != nil {
			return fmt.Errorf("input %q: %w", in.ID, err)
		}
		inputs[in.ID] = in
	}
	if err := sorted("inputs", l.Inputs, func(a, b Input) int { return cmp.Compare(a.ID, b.ID) }); err != nil {
		return err
	}
	for _, s := range l.Scripts {
		if !isToken(s.Package) || !isWord(s.Script) || !isHex256(s.SHA256) || s.Effect == "" {
			return fmt.Errorf("script %s of %q: package, script, hash or effect is not right", s.Script, s.Package)
		}
	}
	// The same script may differ between architectures, hence the hash.
	if err := sorted("scripts", l.Scripts, func(a, b Script) int {
		return cmp.Or(cmp.Compare(a.Package, b.Package), cmp.Compare(a.Script, b.Script), cmp.Compare(a.SHA256, b.SHA256))
	}); err != nil {
		return err
	}
	return l.checkImages(inputs)
}

// sorted reports items out of order or there twice.
func sorted[T any](what string, items []T, compare func(a, b T) int) error {
	for i := 1; i < len(items); i++ {
		if compare(items[i-1], items[i]) >= 0 {
			return fmt.Errorf("%s: item %d is out of order or there twice", what, i+1)
		}
	}
	return nil
}

func (in Input) check() error {
	kind, rest, ok := strings.Cut(in.ID, ":")
	switch {
	case !ok || kind != in.Kind || rest == "" || strings.ContainsFunc(in.ID, isSpaceOrControl):
		return fmt.Errorf("the id does not go with the kind %q", in.Kind)
	case !isToken(in.Name) || !isToken(in.Version):
		return fmt.Errorf("name %q or version %q is not right", in.Name, in.Version)
	case in.Size <= 0 || in.Size >= maxInput:
		return fmt.Errorf("the size is %d", in.Size)
	case !isHex256(in.SHA256):
		return fmt.Errorf("sha256 %q is not a hash in lower-case hex", in.SHA256)
	case in.Integrity != "" && !isHash(in.Integrity, "sha512-", 64):
		return fmt.Errorf("integrity %q is not a SHA-512", in.Integrity)
	case in.H1 != "" && !isHash(in.H1, "h1:", 32):
		return fmt.Errorf("h1 %q is not a hash of a Go module", in.H1)
	case slices.Contains(in.SignedBy, ""):
		return fmt.Errorf("a signer has no name")
	}
	archives := map[string][]string{KindDebian: {"debian", "debian-security"}, KindGo: {"go"}, KindNPM: {"npm"}, KindImage: {""}}
	switch allowed, known := archives[in.Kind]; {
	case !known:
		return fmt.Errorf("unknown kind %q", in.Kind)
	case !slices.Contains(allowed, in.Archive):
		return fmt.Errorf("archive %q does not go with the kind %q", in.Archive, in.Kind)
	case in.Kind == KindImage:
		// A manifest by reference, or a blob below its repository (OCI
		// distribution spec, "Pulling blobs").
		if in.Path != in.Name+"@sha256:"+in.SHA256 && in.Path != in.Name+"/blobs/sha256:"+in.SHA256 {
			return fmt.Errorf("path %q is not the input by its digest", in.Path)
		}
		return nil
	case len(in.SignedBy) == 0:
		return fmt.Errorf("nobody has signed it")
	case in.Kind == KindGo && in.H1 == "":
		return fmt.Errorf("h1 is missing")
	case in.Kind == KindNPM && in.Integrity == "":
		return fmt.Errorf("integrity is missing")
	}
	return checkPath(in.Path)
}

// checkPath wants a path that stays below a mirror's base URL and is what it
// looks like after URL decoding.
func checkPath(p string) error {
	if p == "" || p[0] == '/' || p == ".." || strings.HasPrefix(p, "../") || path.Clean(p) != p || p == "." ||
		strings.Contains(p, "://") || strings.ContainsAny(p, `\?#%`) || strings.ContainsFunc(p, isSpaceOrControl) {
		return fmt.Errorf("path %q is not a clean relative path", p)
	}
	return nil
}

func isSpaceOrControl(r rune) bool { return r <= ' ' || r == 0x7f }

// isHash says whether s is prefix and the base64 of size bytes.
func isHash(s, prefix string, size int) bool {
	text, ok := strings.CutPrefix(s, prefix)
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	return ok && err == nil && len(b) == size
}

// fits says whether an input's id, which ends in /<architecture> for files
// that are of one, goes with an image's platform.
func fits(in Input, platform string) bool {
	os, arch, _ := strings.Cut(platform, "/")
	_, of, ok := cutLast(in.ID, "/")
	switch in.Kind {
	case KindDebian:
		return ok && (of == arch || of == "all")
	case KindGo:
		return ok && of == os+"-"+arch
	}
	return true
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// newestFirst orders images by version.
func newestFirst(a, b Image) int { return definition.CompareVersions(b.Version, a.Version) }

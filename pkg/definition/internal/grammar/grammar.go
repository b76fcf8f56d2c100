// Package grammar holds how the words of a definition may look. The parser
// and the generated JSON Schema both take their patterns from here.
package grammar

import "github.com/imgbuild/imgbuild/pkg/strictyaml"

// Rule is the form of one kind of word.
type Rule = strictyaml.Rule

var rule = strictyaml.NewRule

// Platforms are the platforms that imgbuild can make images for.
var Platforms = []string{"linux/amd64", "linux/arm64"}

// p is a placeholder inside a pattern.
const p = `\{[a-z]+\}`

var (
	// Name is one path component of a repository (OCI distribution spec,
	// "Pulling manifests").
	Name = rule(`^[a-z0-9]+([._-][a-z0-9]+)*$`, "lower-case letters and digits, with single . _ - between them")
	// Word names variants and layers.
	Word = rule(`^[a-z0-9]+(-[a-z0-9]+)*$`, "lower-case letters and digits, with single dashes between them")
	// Suffix is a variant's part of a tag.
	Suffix = rule(`^((-[a-z0-9]+)*)$`, `nothing, or a dash and a word such as "-slim"`)
	// Series is the beginning of versions, and a tag by itself.
	Series = rule(`^[0-9A-Za-z]+([._-][0-9A-Za-z]+)*$`, `the beginning of a version, such as "1.27"`)
	// DebianPackage: Debian Policy 5.6.1, with placeholders.
	DebianPackage = rule(`^([a-z0-9]|`+p+`)([a-z0-9+.-]|`+p+`)+$`, "a Debian package's name, such as libc6")
	// Suite is a Debian codename.
	Suite = rule(`^[a-z]+$`, "the codename of a Debian release, such as trixie")
	// NPMPackage is a package's name, with placeholders (docs.npmjs.com,
	// package.json, "name").
	NPMPackage = rule(`^(@[a-z0-9][a-z0-9._-]*/)?([a-z0-9]|`+p+`)([a-z0-9._-]|`+p+`)*$`, "an npm package's name, such as npm or @scope/name")
	// NPMVersion is a version (semver.org), {version}, latest or =PACKAGE.
	NPMVersion = rule(`^([0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?|\{version\}|latest|=.+)$`, `a whole version such as 12.2.0, {version}, latest, or =PACKAGE of the same layer`)
	// Path is an absolute path; that it is clean is checked apart.
	Path = rule(`^/[^\x00-\x1f\x7f]*$`, "an absolute path without . and .. in it, such as /usr/local")
	// Script names a maintainer script (Debian Policy 6.1).
	Script = rule(`^(preinst|postinst|prerm|postrm|config|triggers)$`, "preinst, postinst, prerm, postrm, config or triggers")
	// SHA256 is a hash in hex.
	SHA256 = rule(`^[0-9a-f]{64}$`, "64 lower-case hexadecimal digits")
	// Mode is a file's mode.
	Mode = rule(`^0[0-7]{3,4}$`, `an octal mode in quotes, such as "0755"`)
	// EnvName: POSIX.1-2024, 8.1, with lower case as npm uses it.
	EnvName = rule(`^[A-Za-z_][A-Za-z0-9_]*$`, "letters, digits and _, not beginning with a digit")
	// User is a user, with or without a group, as the OCI image spec has it.
	User = rule(`^[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?$`, "user, uid, user:group or uid:gid")
	// Signal is SIGTERM or 15.
	Signal = rule(`^(SIG[A-Z]+[0-9]*|SIGRTM(IN\+|AX-)[0-9]+|[1-9][0-9]?)$`, "a signal's name or number, such as SIGTERM")
	// Label is a label's key (OCI image spec, annotations).
	Label = rule(`^[A-Za-z0-9]+([._/-][A-Za-z0-9]+)*$`, "letters and digits, with . _ - / between them")
	// Text is any text that is not empty.
	Text = rule(`[^ \t\r\n]`, "some text")
)

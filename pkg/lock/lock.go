// Package lock holds image.lock: for one definition, the exact bytes that
// every image of it is made from. It never holds a host name.
package lock

// Schema is the version of the file format that this imgbuild reads and writes.
const Schema = 1

// Lock is one image.lock.
type Lock struct {
	// Comment tells people who open the file where it comes from.
	Comment string `json:"//,omitempty"`
	Schema  int    `json:"schema"`
	// Definition is the digest (sha256:…) of the definition this lock belongs to.
	Definition string `json:"definition"`
	// Archives are the signed package archives that were read, with the
	// fingerprints of the keys that signed them. Sorted by Name, Suite.
	Archives []Archive `json:"archives,omitempty"`
	// Inputs are all input files of all images. Sorted by ID, each ID once.
	Inputs []Input `json:"inputs"`
	// Images are all images. Sorted by version (newest first), variant (order
	// of the definition), platform.
	Images []Image `json:"images"`
	// Scripts is the audit: what is done in place of each package's
	// maintainer scripts. Sorted by Package, Script.
	Scripts []Script `json:"scripts,omitempty"`
	// Sum is sha256:… of the file with this field empty: a flipped bit
	// anywhere in the lock is found before anything is fetched.
	Sum string `json:"sum"`
}

// Archive is one suite of a signed archive.
type Archive struct {
	Name     string   `json:"name"`  // debian, debian-security
	Suite    string   `json:"suite"` // trixie-updates
	SignedBy []string `json:"signedBy"`
}

// Kinds of input.
const (
	KindDebian = "deb"
	KindGo     = "go"
	KindNPM    = "npm"
	KindImage  = "image"
)

// Input is one file to fetch.
type Input struct {
	// ID is unique in a lock: "deb:libc6@2.41-12/amd64", "go:1.27.3/linux-amd64",
	// "npm:npm@12.2.0". Layers name their inputs by it.
	ID      string `json:"id"`
	Kind    string `json:"kind"`
	Name    string `json:"name"`
	Version string `json:"version"`
	// Archive is the mirror to fetch from (package mirror): debian,
	// debian-security, go, npm. Empty for images, whose Path is a reference.
	Archive string `json:"archive,omitempty"`
	// Path is relative to the mirror's base URL.
	Path string `json:"path"`
	// Size is in bytes.
	Size int64 `json:"size"`
	// SHA256 is the lower-case hex hash of the file: its address in the store.
	SHA256 string `json:"sha256"`
	// Integrity is npm's own hash of the file: sha512-<base64>.
	Integrity string `json:"integrity,omitempty"`
	// H1 is the Go checksum database's hash of the module zip: h1:<base64>.
	H1 string `json:"h1,omitempty"`
	// SignedBy says who vouched for the file when it was locked: for Debian
	// the fingerprints of the archive's keys, for npm the registry's key ids
	// ("unsigned" where the registry served no signature), for Go the name of
	// the checksum database.
	SignedBy []string `json:"signedBy,omitempty"`
}

// Image is one image of the definition: one version, variant and platform.
type Image struct {
	Version  string `json:"version"`
	Series   string `json:"series"`
	Variant  string `json:"variant"`
	Platform string `json:"platform"`
	// Size is the compressed size in bytes of the layers made from inputs.
	Size   int64   `json:"size"`
	Layers []Layer `json:"layers"`
}

// Layer is one layer of an image.
type Layer struct {
	Name   string   `json:"name"`
	Inputs []string `json:"inputs,omitempty"`
	// DiffID is the hash of the uncompressed layer, sha256:…. Empty for the
	// shim, which changes with imgbuild itself.
	DiffID string `json:"diffID,omitempty"`
}

// Script is one maintainer script of a package, and what replaces it.
type Script struct {
	Package string `json:"package"`
	// Script is preinst, postinst, prerm, postrm, config or triggers.
	Script string `json:"script"`
	// SHA256 is the hash of the script that the audit read; another text of
	// it fails the lock until someone has read it.
	SHA256 string `json:"sha256"`
	// Effect names what imgbuild does instead: "none needed at build: …",
	// "ld.so.cache", "alternatives: awk".
	Effect string `json:"effect"`
}

// Package definition reads image definitions (image.yaml): what an image is
// called, which versions and variants it comes in, which layers make it and
// how its container is configured. A definition says what is wanted; the lock
// beside it (package lock) says which exact bytes that was resolved to.
package definition

import "time"

// Definition is one image.yaml.
type Definition struct {
	// Name is the repository's last path element, as in golang:1.27.
	Name string `json:"name"`
	// Title and Description go into the OCI annotations of every image.
	Title       string `json:"title,omitempty"`
	Description string `json:"description,omitempty"`
	// Versions says which versions of the language exist.
	Versions Versions `json:"versions"`
	// Platforms are the platforms that every version must have, such as
	// linux/amd64. A version that one of them lacks is not chosen.
	Platforms []string `json:"platforms"`
	// Variants are in the order of the file; the first is the default one.
	Variants []Variant `json:"variants"`

	// Files are the contents that `files` layers take from beside the
	// definition, by slash-separated path relative to it.
	Files map[string][]byte `json:"-"`
	// Source is where the definition was read from, for messages.
	Source string `json:"-"`
}

// Versions says where versions come from. At most one of Go, NPM and Debian
// is set; with none, each of Series is a version as it stands.
type Versions struct {
	// Go takes versions from the toolchain module of the Go module mirror.
	Go bool `json:"go,omitempty"`
	// NPM takes versions from an npm package, such as node-linux-{npmarch}.
	NPM string `json:"npm,omitempty"`
	// Debian takes the version from a Debian package, such as ruby3.3: the
	// upstream part of its version (without epoch and revision).
	Debian string `json:"debian,omitempty"`
	// Series are version prefixes, such as "1.27" or "26", newest first. The
	// newest version of each that all Platforms have is what is built.
	Series []string `json:"series"`
}

// Variant is one flavour of the image: full, slim.
type Variant struct {
	Name string `json:"name"`
	// Suffix is added to every tag: "" or "-slim".
	Suffix string  `json:"suffix,omitempty"`
	Layers []Layer `json:"layers"`
	Config Config  `json:"config"`
}

// Layer is one layer of a variant, from the least to the most often changed.
// Exactly one of the kinds (the pointers and Files) is set.
//
// In every string of a layer and a config, {version}, {series}, {arch} (amd64,
// arm64) and {npmarch} (x64, arm64) stand for those of the image being built.
type Layer struct {
	// Name is shown in progress and history: os, go, node.
	Name   string       `json:"name"`
	Debian *DebianLayer `json:"debian,omitempty"`
	Go     *GoLayer     `json:"go,omitempty"`
	NPM    *NPMLayer    `json:"npm,omitempty"`
	Image  *ImageLayer  `json:"image,omitempty"`
	Files  []File       `json:"files,omitempty"`
	Run    *RunLayer    `json:"run,omitempty"`
	Shim   *ShimLayer   `json:"shim,omitempty"`
}

// DebianLayer is Debian packages, unpacked without their maintainer scripts.
type DebianLayer struct {
	// Suite is the release's codename: trixie. Its -updates and -security
	// suites are always read too.
	Suite string `json:"suite"`
	// Essential adds every package that Debian marks Essential.
	Essential bool `json:"essential,omitempty"`
	// Packages are the packages asked for by name.
	Packages []string `json:"packages"`
	// Dependencies false takes Packages alone, for images in which no package
	// manager and no shell exist. The default is true.
	Dependencies *bool `json:"dependencies,omitempty"`
	// Sources writes apt's sources for the public mirror of Alibaba Cloud,
	// so that `apt-get update` works inside the image.
	Sources bool `json:"sources,omitempty"`
	// Accept lists maintainer scripts that imgbuild does not know and whose
	// author of the definition has read: they are not run.
	Accept []AcceptedScript `json:"accept,omitempty"`
}

// AcceptedScript is one maintainer script that someone has read and found to
// need nothing in an image.
type AcceptedScript struct {
	Package string `json:"package"`
	Script  string `json:"script"`
	// SHA256 is the hex hash of the script's text; another text is unknown again.
	SHA256 string `json:"sha256"`
	Reason string `json:"reason"`
}

// GoLayer is the Go toolchain of the image's version in /usr/local/go.
type GoLayer struct {
	// Exclude are path patterns (path.Match, ** for any depth) left out.
	Exclude []string `json:"exclude,omitempty"`
}

// NPMLayer is npm packages, each unpacked to a folder.
type NPMLayer struct {
	Packages []NPMPackage `json:"packages"`
}

// NPMPackage is one npm package in a layer.
type NPMPackage struct {
	// Package is the package's name: npm, @typescript/typescript-linux-{npmarch}.
	Package string `json:"package"`
	// Version is a version, a placeholder such as {version}, or "latest": the
	// newest release whose `engines` accept the image's Node.js version and
	// which every platform has. "=NAME" takes the version chosen for the
	// package NAME of the same layer.
	Version string `json:"version"`
	// To is the folder the package's files are put into: /usr/local.
	To string `json:"to"`
	// Include and Exclude are patterns (path.Match, ** for any depth) over
	// the paths inside the package. No Include means all.
	Include []string `json:"include,omitempty"`
	Exclude []string `json:"exclude,omitempty"`
	// Strip leaves symbols and debug information out of the package's
	// programs, as Debian ships all of its own.
	Strip bool `json:"strip,omitempty"`
	// Links are symbolic links to add: path → target.
	Links map[string]string `json:"links,omitempty"`
}

// ImageLayer is an existing image whose layers are reused as they are.
type ImageLayer struct {
	// Ref is a reference by digest: registry.example.com/team/base@sha256:…
	Ref string `json:"ref"`
}

// File is one file, folder or symbolic link of a `files` layer.
type File struct {
	// Path is the absolute path in the image.
	Path string `json:"path"`
	// Source is a path relative to the definition; Content is the content
	// itself; Link makes a symbolic link to that target; Dir makes a folder.
	// Exactly one of the four is set.
	Source  string `json:"source,omitempty"`
	Content string `json:"content,omitempty"`
	Link    string `json:"link,omitempty"`
	Dir     bool   `json:"dir,omitempty"`
	// Mode is octal: "0755". The default is 0644, 0755 for folders.
	Mode string `json:"mode,omitempty"`
	UID  int    `json:"uid,omitempty"`
	GID  int    `json:"gid,omitempty"`
}

// RunLayer is what a command changes in the layers before it. Only BuildKit
// runs commands.
type RunLayer struct {
	// Script is for the image's own /bin/sh, which stops at the first command
	// that fails.
	Script string `json:"script"`
	// Network gives the command the builder's network. What it fetches is then
	// for the script to pin.
	Network bool `json:"network,omitempty"`
	// Files are there only while the command runs, below /run/imgbuild, and are
	// read-only. None is a folder or a link.
	Files []File `json:"files,omitempty"`
	// Date is the command's SOURCE_DATE_EPOCH, as 2026-01-02T15:04:05Z, and the
	// latest time that a file of the layer has. The default is DefaultDate.
	Date string `json:"date,omitempty"`
}

// DefaultDate is the Date of a RunLayer that has none: the time that npm gives
// the files of every package.
var DefaultDate = time.Date(1985, 10, 26, 8, 15, 0, 0, time.UTC)

// ShimLayer is imgbuild's HTTP shim at ShimPath.
type ShimLayer struct{}

// ShimPath is where the shim lies in every image, and their entrypoint.
const ShimPath = "/usr/local/bin/shim"

// Config is the container configuration, named as in the OCI image spec.
type Config struct {
	Entrypoint []string          `json:"entrypoint,omitempty"`
	Cmd        []string          `json:"cmd,omitempty"`
	Env        []EnvVar          `json:"env,omitempty"`
	WorkingDir string            `json:"workingDir,omitempty"`
	User       string            `json:"user,omitempty"`
	Ports      []int             `json:"ports,omitempty"`
	StopSignal string            `json:"stopSignal,omitempty"`
	Labels     map[string]string `json:"labels,omitempty"`
}

// EnvVar is one environment variable; a list keeps the order of the file.
type EnvVar struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

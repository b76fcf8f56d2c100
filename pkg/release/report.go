package release

import "github.com/imgbuild/imgbuild/pkg/lock"

// ReportSchema is the version of release.json that this imgbuild writes.
const ReportSchema = 1

// Report is release.json: what a release published, for machines and for the
// catalogue page.
type Report struct {
	Schema int `json:"schema"`
	// Name is the release's own, from release.yaml.
	Name string `json:"name"`
	// ImgbuildVersion is that of the imgbuild that made it.
	ImgbuildVersion string `json:"imgbuildVersion"`
	// PublicKey is the PEM of the key that the images are signed with, empty
	// for none.
	PublicKey string        `json:"publicKey,omitempty"`
	Regions   []Destination `json:"regions"`
	// Images are in the order of release.yaml; a definition's newest version
	// first.
	Images []Image `json:"images"`
	// Bundles are the inputs of the definitions, where they are published.
	Bundles []Bundle `json:"bundles,omitempty"`
}

// Bundle has what the images of a definition are built from.
type Bundle struct {
	Name string `json:"name"` // golang
	// Tags begin with the one that names the lock.
	Tags      []string `json:"tags"`
	Digest    string   `json:"digest"`
	Platforms []string `json:"platforms"`
	Size      int64    `json:"size"` // of all blobs, in bytes
	// References are NAME:TAG@DIGEST by Destination.Name.
	References map[string]string `json:"references"`
}

// Destination is a registry that the release goes to.
type Destination struct {
	// Name is the region, or HOST[/NAMESPACE].
	Name string `json:"name"`
	// Registry is HOST[/NAMESPACE] as clients outside the cloud reach it.
	Registry string `json:"registry"`
	// VPC is the same as functions in the region reach it, empty where there
	// is no such host.
	VPC string `json:"vpc,omitempty"`
}

// Image is one version and variant.
type Image struct {
	Name        string `json:"name"` // golang
	Title       string `json:"title,omitempty"`
	Description string `json:"description,omitempty"`
	Version     string `json:"version"` // 1.27.3
	Series      string `json:"series"`  // 1.27
	Variant     string `json:"variant"` // full, slim
	// Tags are all tags, the longest first; Tag is the one to write into FROM.
	Tags []string `json:"tags"`
	Tag  string   `json:"tag"`
	// Digest is that of the manifest, or of the index of several platforms.
	Digest string `json:"digest"`
	// Created is RFC 3339: the age of the newest file, as in the image.
	Created   string     `json:"created"`
	Platforms []Platform `json:"platforms"`
	// References are NAME:TAG@DIGEST by Destination.Name.
	References map[string]string `json:"references"`
	// Kept are tags that already named another digest and were left at it, by
	// Destination.Name.
	Kept map[string][]string `json:"kept,omitempty"`
	// Changes are against the image that the release before published under
	// Name, Series and Variant; nil for a new one.
	Changes *Changes `json:"changes,omitempty"`
	// Unchanged says that this digest was published before, with its tags.
	Unchanged bool `json:"unchanged"`
}

// Platform is the image of one platform.
type Platform struct {
	Platform string `json:"platform"` // linux/amd64
	Digest   string `json:"digest"`
	// Size is of all blobs, compressed; Unpacked of all layers; both in bytes.
	Size     int64   `json:"size"`
	Unpacked int64   `json:"unpacked,omitempty"`
	Layers   []Layer `json:"layers"`
	// Packages are what is inside, sorted by name.
	Packages []Package `json:"packages"`
	Proof    Proof     `json:"proof"`
	// Attachments are tags beside the image in each repository, by what they
	// are: signature, sbom, provenance, source.
	Attachments map[string]Attachment `json:"attachments,omitempty"`
}

// Layer is one layer.
type Layer struct {
	Name   string `json:"name"`
	Digest string `json:"digest"`
	DiffID string `json:"diffID"`
	Size   int64  `json:"size"` // compressed, in bytes
}

// Package is one package inside an image.
type Package struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	// PURL is the package URL (github.com/package-url/purl-spec).
	PURL string `json:"purl"`
	// License is an SPDX expression, or NOASSERTION.
	License string `json:"license"`
	// Files counts the image's files that belong to it.
	Files int `json:"files"`
}

// Proof says how the image of a platform was proven.
type Proof struct {
	// Status is passed, skipped (with the reason) or failed.
	Status string `json:"status"`
	Reason string `json:"reason,omitempty"`
	// Rules counts those of the conformance suite that were kept; Skipped are
	// the names of those that could not be tried, with why.
	Rules   int               `json:"rules,omitempty"`
	Skipped map[string]string `json:"skipped,omitempty"`
}

// Attachment is something published beside an image.
type Attachment struct {
	Tag       string `json:"tag"` // sha256-<hex>.sig
	Digest    string `json:"digest"`
	MediaType string `json:"mediaType"` // of its layer
}

// Changes are what became different in an image.
type Changes struct {
	FromVersion string `json:"fromVersion"`
	FromDigest  string `json:"fromDigest"`
	// Packages are package changes of all platforms, in the order of lock.Diff.
	Packages []lock.Change `json:"packages,omitempty"`
	// Sizes are the compressed size before and now in bytes, by platform.
	Sizes map[string][2]int64 `json:"sizes,omitempty"`
}

package sbom

import (
	"errors"
	"os"
)

// Limits of what an image may unpack to. An image that imgbuild made is far
// below them; one that it stands on comes from a stranger.
const (
	// maxEntries is of all layers together. The largest image of imgbuild's
	// has 8,000.
	maxEntries = 1 << 20
	// maxPaths is the length of all paths together, in bytes.
	maxPaths = 256 << 20
	// maxUnpacked is the size of all layers together, in bytes.
	maxUnpacked = 64 << 30
	// maxText is the size of a file whose content is kept, in bytes. dpkg's
	// status of a desktop has 4 MB.
	maxText = 32 << 20
	// maxTexts is that of all kept contents together.
	maxTexts = 256 << 20
	// maxPath is PATH_MAX of Linux, in bytes.
	maxPath = 4096
	// maxModules is the number of Go modules in all programs together.
	maxModules = 100_000
)

var errTooLarge = errors.New("the image unpacks to more than is allowed")

// tempFile is where a program lies while its build information is read.
type tempFile = *os.File

// osTemp makes a file without a name: it is gone with the process.
func osTemp() (tempFile, error) {
	f, err := os.CreateTemp("", "imgbuild-sbom-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

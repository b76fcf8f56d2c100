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
	maxPaths = 128 << 20
	// maxUnpacked is the size of all layers together, and of all files in them,
	// in bytes.
	maxUnpacked = 16 << 30
	// maxDatabase is the size of a file of dpkg's, in bytes. The status of a
	// desktop has 4 MB.
	maxDatabase = 32 << 20
	// maxText is that of any other file whose content is kept. Node.js's
	// LICENSE has 150 kB.
	maxText = 4 << 20
	// maxTexts is that of all kept contents together.
	maxTexts = 128 << 20
	// maxPath is PATH_MAX of Linux, in bytes.
	maxPath = 4096
	// maxDepth is how many folders deep a file may lie.
	maxDepth = 256
	// maxWindow is how much of a zstd layer its decoder holds, in bytes; RFC
	// 8878 (section 3.1.1.1.2) asks for 8 MiB at least.
	maxWindow = 64 << 20
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

// Package layer turns files into layers: deterministic tar streams, compressed
// and written straight to the store, so that no layer is ever in memory.
package layer

import (
	"archive/tar"
	"io"
)

// Sink takes the entries of one layer, one after the other.
//
// What makes a layer deterministic is done behind the Sink, once for all kinds
// of input: header format, names cleaned ("usr/bin/x", no leading slash, no
// trailing one but for folders in the tar), user and group names dropped,
// access and change times dropped, sub-second times cut, parent folders that
// were never added made as 0755 root. Order is the caller's: entries come out
// in the order they were added.
type Sink interface {
	// Add writes one entry. For a regular file hdr.Size bytes are read from
	// content; it is nil for everything else. A path added before is an error,
	// except that a folder may be added again when its mode and owner are the
	// same. Hard links (hdr.Linkname, relative to the layer's root) must name
	// a file that was added before. hdr is not kept.
	Add(hdr *tar.Header, content io.Reader) error
}

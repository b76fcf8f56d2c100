package source

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/address"
)

// Name says where an image is: in a layout, or in a registry.
type Name struct {
	// Path is a layout's folder or tar file; empty for a registry.
	Path string
	// Image is which of the layout's images: a tag or NAME:TAG as the layout
	// has it. Empty where Digest says it, or where there is one image.
	Image  string
	Digest v1.Hash

	// Reference is the image in a registry.
	Reference address.Reference
}

// String is the name as people write it.
func (n Name) String() string {
	switch {
	case n.Path == "":
		return n.Reference.String()
	case n.Image != "":
		return n.Path + ":" + n.Image
	case n.Digest != (v1.Hash{}):
		return n.Path + "@" + n.Digest.String()
	}
	return n.Path
}

// Parse reads PATH[:TAG] or PATH[@DIGEST] of a layout, or
// HOST/NAME[:TAG][@DIGEST] of a registry. A path is what is there on the disk,
// begins with a slash or a period, or ends in .tar.
func Parse(s string) (Name, error) {
	if n, ok, err := parsePath(s); ok || err != nil {
		return n, err
	}
	r, err := address.ParseReference(s)
	if err != nil {
		return Name{}, fmt.Errorf("%w; an OCI layout is named by its path, and there is none of this name", err)
	}
	if r.Tag == "" && r.Digest == (v1.Hash{}) {
		return Name{}, fmt.Errorf("%s has no tag and no digest; name the image as %s:TAG", s, s)
	}
	return Name{Reference: r}, nil
}

func parsePath(s string) (n Name, ok bool, err error) {
	if there(s) {
		return Name{Path: s}, true, nil
	}
	if path, digest, found := strings.Cut(s, "@"); found && isPath(path) {
		h, err := v1.NewHash(digest)
		if err != nil || h.Algorithm != "sha256" {
			return n, true, fmt.Errorf("%s: what follows the @ is not a digest; one is sha256: and 64 hexadecimal digits", s)
		}
		return Name{Path: path, Digest: h}, true, nil
	}
	// The tag may have a colon itself, NAME:TAG, and so may the path.
	for i, c := range s {
		if c == ':' && i+1 < len(s) && there(s[:i]) {
			return Name{Path: s[:i], Image: s[i+1:]}, true, nil
		}
	}
	path, _, _ := strings.Cut(s, ":")
	if isPath(path) {
		return n, true, fmt.Errorf("there is no OCI layout %s: %w", path, os.ErrNotExist)
	}
	return n, false, nil
}

// isPath says that s can only be meant as a path.
func isPath(s string) bool {
	return strings.HasSuffix(s, ".tar") || strings.HasPrefix(s, ".") || filepath.IsAbs(s) || there(s)
}

func there(path string) bool {
	_, err := os.Stat(path)
	return err == nil || path != "" && errors.Is(err, os.ErrPermission)
}

package deb

import (
	"archive/tar"
	"errors"
	"fmt"
	"path"
	"strings"
)

// checkEntry refuses what no Debian package has a reason to ship, and returns
// a header with its names cleaned: "usr/bin/x", "." for the root.
func checkEntry(h *tar.Header) (*tar.Header, error) {
	name, err := cleanName(h.Name)
	if err != nil {
		return nil, fmt.Errorf("entry %q: %w", h.Name, err)
	}
	c := &tar.Header{Typeflag: h.Typeflag, Name: name, Linkname: h.Linkname, Size: h.Size,
		Mode: h.Mode & 0o7777, Uid: h.Uid, Gid: h.Gid, Uname: h.Uname, Gname: h.Gname, ModTime: h.ModTime}
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeDir:
		c.Linkname = ""
	case tar.TypeLink:
		if c.Linkname, err = cleanName(h.Linkname); err != nil {
			return nil, fmt.Errorf("entry %s: hard link to %q: %w", name, h.Linkname, err)
		}
	case tar.TypeSymlink:
		if err := checkTarget(name, h.Linkname); err != nil {
			return nil, fmt.Errorf("entry %s: symbolic link to %q: %w", name, h.Linkname, err)
		}
	default:
		return nil, fmt.Errorf("entry %s: type %q (devices, pipes and the like) is not allowed", name, h.Typeflag)
	}
	if h.Typeflag != tar.TypeReg {
		c.Size = 0
	}
	if name == "." && h.Typeflag != tar.TypeDir {
		return nil, errors.New("the root is not a folder")
	}
	if h.Uid < 0 || h.Gid < 0 || h.Size < 0 {
		return nil, fmt.Errorf("entry %s: negative number in the header", name)
	}
	return c, nil
}

func cleanName(name string) (string, error) {
	switch {
	case name == "":
		return "", errors.New("empty path")
	case len(name) > maxName:
		return "", fmt.Errorf("path is longer than %d bytes", maxName)
	case strings.ContainsAny(name, "\x00\n"):
		return "", errors.New("path has a NUL or newline in it")
	case name[0] == '/':
		return "", errors.New("path is absolute")
	}
	for c := range strings.SplitSeq(name, "/") {
		if c == ".." {
			return "", errors.New("path has .. in it")
		}
		if len(c) > maxComponent {
			return "", fmt.Errorf("a part of the path is longer than %d bytes", maxComponent)
		}
	}
	return path.Clean(name), nil
}

// checkTarget accepts absolute targets (they mean the image's root) and
// relative ones that stay below the root.
func checkTarget(name, target string) error {
	switch {
	case target == "":
		return errors.New("empty target")
	case len(target) > maxName:
		return fmt.Errorf("target is longer than %d bytes", maxName)
	case strings.ContainsAny(target, "\x00\n"):
		return errors.New("target has a NUL or newline in it")
	case target[0] == '/':
		return nil
	}
	depth := strings.Count(name, "/")
	for c := range strings.SplitSeq(target, "/") {
		switch c {
		case "", ".":
		case "..":
			if depth--; depth < 0 {
				return errors.New("target leads out of the root")
			}
		default:
			depth++
		}
	}
	return nil
}

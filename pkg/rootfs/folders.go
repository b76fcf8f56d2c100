package rootfs

import (
	"archive/tar"
	"strings"
)

// standard are the folders that every root file system has (hier(7), FHS 3.0)
// with Debian's modes; base-files ships them where it is installed.
var standard = []struct {
	path string
	mode int64
}{
	{"dev", 0o755}, {"etc", 0o755}, {"proc", 0o755}, {"root", 0o700}, {"run", 0o755},
	{"sys", 0o755}, {"tmp", 0o1777}, {"usr", 0o755}, {"var", 0o755}, {"var/log", 0o755}, {"var/tmp", 0o1777},
}

// standardFolders makes those of the standard folders that no package shipped,
// and an empty machine-id, which systemd fills on the first boot
// (machine-id(5)) and containers share otherwise.
func (t *tree) standardFolders() error {
	for _, d := range standard {
		if n := t.nodes[d.path]; n != nil && !n.implied {
			continue
		}
		if err := t.Put(&tar.Header{Typeflag: typeDir, Name: d.path, Mode: d.mode}, nil); err != nil {
			return err
		}
	}
	return t.putNew("etc/machine-id", 0o444, "")
}

// put writes a generated text file owned by root.
func (t *tree) put(path string, mode int64, text string) error {
	return t.Put(&tar.Header{Typeflag: tar.TypeReg, Name: path, Mode: mode}, strings.NewReader(text))
}

// putNew is put where nothing is at path yet.
func (t *tree) putNew(path string, mode int64, text string) error {
	if _, ok := t.Lookup(path); ok {
		return nil
	}
	return t.put(path, mode, text)
}

func (t *tree) putDir(path string, mode int64) error {
	if n := t.nodes[clean(path)]; n != nil && n.hdr.Typeflag == typeDir {
		return nil
	}
	return t.Put(&tar.Header{Typeflag: typeDir, Name: path, Mode: mode}, nil)
}

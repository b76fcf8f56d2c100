package assemble

import (
	"archive/tar"
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/imgbuild/imgbuild/pkg/layer"
)

// fileTime is the modification time of files that have none of their own: the
// one npm gives the files of every package.
var fileTime = time.Date(1985, 10, 26, 8, 15, 0, 0, time.UTC)

// files adds the files of a files layer in the order of the definition.
func files(sink layer.Sink, spec Spec) error {
	for _, f := range spec.Layer.Files {
		h := &tar.Header{Name: strings.TrimPrefix(f.Path, "/"), ModTime: fileTime, Uid: f.UID, Gid: f.GID}
		var content []byte
		switch {
		case f.Dir:
			h.Typeflag, h.Mode = tar.TypeDir, 0o755
		case f.Link != "":
			h.Typeflag, h.Linkname = tar.TypeSymlink, f.Link
		default:
			h.Typeflag, h.Mode = tar.TypeReg, 0o644
			content = []byte(f.Content)
			if f.Source != "" {
				b, ok := spec.Files[f.Source]
				if !ok {
					return fmt.Errorf("%s: %s is not beside the definition", f.Path, f.Source)
				}
				content = b
			}
			h.Size = int64(len(content))
		}
		if f.Mode != "" {
			mode, err := strconv.ParseInt(f.Mode, 8, 64)
			if err != nil {
				return fmt.Errorf("%s: mode %q is not octal", f.Path, f.Mode)
			}
			h.Mode = mode
		}
		if err := sink.Add(h, bytes.NewReader(content)); err != nil {
			return err
		}
	}
	return nil
}

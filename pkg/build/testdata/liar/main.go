// Command liar is what a builder might run in imgbuild's place: it makes the
// layer, and then says or leaves something else.
package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/step"
)

// told finds in a step which lie it wants.
var told = regexp.MustCompile(`lie: ([a-zA-Z]+)`)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "imgbuild:", err)
		os.Exit(1)
	}
}

func run() error {
	spec := step.SpecDir
	b, err := os.ReadFile(filepath.Join(spec, step.SpecFile))
	if err != nil {
		return err
	}
	lie := ""
	if m := told.FindSubmatch(b); m != nil {
		lie = string(m[1])
	}
	if lie == "slow" { // is no lie
		time.Sleep(2 * time.Second)
	}
	if lie == "content" {
		spec = filepath.Join(step.OutDir, "spec")
		if err := os.Mkdir(spec, 0o755); err != nil {
			return err
		}
		b = bytes.ReplaceAll(b, []byte("lie: content"), []byte("lie: CONTENT"))
		if err := os.WriteFile(filepath.Join(spec, step.SpecFile), b, 0o644); err != nil {
			return err
		}
	}
	if err := step.Run(context.Background(), spec, step.InDir, step.OutDir); err != nil {
		return err
	}
	file := filepath.Join(step.OutDir, step.LayerFile)
	if b, err = os.ReadFile(file); err != nil {
		return err
	}
	var r layer.Record
	if err := json.Unmarshal(b, &r); err != nil {
		return err
	}
	blob := filepath.Join(step.OutDir, step.BlobPath(r.Digest))
	other := v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("7", 64)}
	switch lie {
	case "digest":
		to := filepath.Join(step.OutDir, step.BlobPath(other))
		if err := os.Rename(blob, to); err != nil {
			return err
		}
		r.Digest = other
	case "away":
		r.Digest = other
	case "path":
		r.Digest.Hex = "../../layer.json"
	case "diffID":
		r.DiffID = other
	case "size":
		r.Size++
	case "huge":
		r.Size = 1 << 62
	case "date":
		r.Newest = r.Newest.Add(time.Hour)
	case "compression":
		r.Compression = layer.Zstd
	case "truncated":
		if err := os.Truncate(blob, r.Size/2); err != nil {
			return err
		}
	case "packing": // is no lie: the same files, packed otherwise
		if r.Digest, r.Size, err = repack(blob); err != nil {
			return err
		}
	case "none":
		return os.Remove(file)
	case "nonsense":
		return os.WriteFile(file, []byte("[]"), 0o644)
	case "fails":
		return fmt.Errorf("no space left on the builder")
	}
	if b, err = json.Marshal(r); err != nil {
		return err
	}
	return os.WriteFile(file, b, 0o644)
}

// repack writes a layer's blob with another gzip stream.
func repack(blob string) (h v1.Hash, size int64, err error) {
	packed, err := os.ReadFile(blob)
	if err != nil {
		return h, 0, err
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return h, 0, err
	}
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.NoCompression)
	if err != nil {
		return h, 0, err
	}
	if _, err := io.Copy(w, r); err != nil {
		return h, 0, err
	}
	if err := w.Close(); err != nil {
		return h, 0, err
	}
	h, size, err = v1.SHA256(bytes.NewReader(out.Bytes()))
	if err != nil {
		return h, 0, err
	}
	return h, size, os.WriteFile(filepath.Join(step.OutDir, step.BlobPath(h)), out.Bytes(), 0o644)
}

package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/rogpeppe/go-internal/testscript"
)

// spoil is `spoil FROM TO TITLE`: a copy of a bundle in which one bit is
// another of the input whose file's name begins with TITLE.
func spoil(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: spoil FROM TO TITLE")
	}
	whole, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	blob := ""
	eachFile(ts, whole, func(_ string, _ int64, content []byte) {
		var m v1.Manifest
		if json.Unmarshal(content, &m) != nil {
			return
		}
		for _, l := range m.Layers {
			if strings.HasPrefix(l.Annotations["org.opencontainers.image.title"], args[2]) {
				blob = path.Join("blobs/sha256", l.Digest.Hex)
			}
		}
	})
	changed := false
	eachFile(ts, whole, func(name string, offset int64, content []byte) {
		if name == blob {
			whole[offset+int64(len(content))/2] ^= 1
			changed = true
		}
	})
	if !changed {
		ts.Fatalf("%s has no input %s", args[0], args[2])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), whole, 0o644))
}

func eachFile(ts *testscript.TestScript, whole []byte, do func(name string, offset int64, content []byte)) {
	file := bytes.NewReader(whole)
	for r := tar.NewReader(file); ; {
		h, err := r.Next()
		if err == io.EOF {
			return
		}
		ts.Check(err)
		offset := int64(len(whole)) - int64(file.Len())
		content, err := io.ReadAll(r)
		ts.Check(err)
		do(h.Name, offset, content)
	}
}

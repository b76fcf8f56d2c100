package gotoolchain

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/input/inputtest"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/store"
)

const (
	testVersion = "1.27.3"
	testVERSION = "go1.27.3\ntime 2026-10-19T22:20:36Z\n"
	testPrefix  = "golang.org/toolchain@v0.0.1-go1.27.3.linux-amd64/"
)

// member is one file of a zip made for a test.
type member struct {
	name, content string
	mode          fs.FileMode
}

// pack makes a zip; names without a module's prefix get the right one.
func pack(t testing.TB, members ...member) []byte {
	t.Helper()
	var buf bytes.Buffer
	zw := zip.NewWriter(&buf)
	for _, m := range members {
		h := &zip.FileHeader{Name: m.name, Method: zip.Deflate}
		if !strings.HasPrefix(m.name, "!") {
			h.Name = testPrefix + m.name
		} else {
			h.Name = m.name[1:]
		}
		if m.mode != 0 {
			h.SetMode(m.mode)
		}
		w, err := zw.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, m.content)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func put(t testing.TB, st *store.Store, b []byte) lock.Input {
	t.Helper()
	w, err := st.Create()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Discard()
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	h, err := w.Commit(v1.Hash{})
	if err != nil {
		t.Fatal(err)
	}
	return lock.Input{Version: testVersion, Path: zipPath(testVersion, "linux/amd64"), SHA256: h.Hex, Size: int64(len(b))}
}

// small is a distribution with one of each kind of file. Its last file is
// larger than what is inflated ahead.
func small(t testing.TB) []byte {
	return pack(t,
		member{name: "VERSION", content: testVERSION},
		member{name: "src/_go.mod", content: "module std\n"},
		member{name: "src/all.bash", content: "#!/usr/bin/env bash\n"},
		member{name: "src/fmt/print.go", content: "package fmt\n"},
		member{name: "src/fmt/print_test.go", content: "package fmt\n"},
		member{name: "src/fmt/testdata/x", content: "x"},
		member{name: "src/cmd/_go.mod", content: "module cmd\n"},
		member{name: "src/empty.go"},
		member{name: "lib/wasm/go_js_wasm_exec", content: "#!/bin/sh\n"},
		member{name: "lib/wasm/wasm_exec.js", content: "x"},
		member{name: "pkg/tool/linux_amd64/compile", content: "ELF"},
		member{name: "pkg/", mode: fs.ModeDir | 0o755},
		member{name: "bin/go", content: strings.Repeat("gopher", maxAhead/3)},
	)
}

func TestWrite(t *testing.T) {
	st := inputtest.Store(t)
	in := put(t, st, small(t))
	for name, exclude := range map[string][]string{
		"all":    nil,
		"slimed": {"**/testdata/**", "**/*_test.go", "src/cmd/**"},
	} {
		var sink inputtest.Sink
		if err := Write(t.Context(), &sink, st, in, exclude); err != nil {
			t.Fatal(err)
		}
		inputtest.Golden(t, "write-"+name+".txt", sink.String())
	}
	if err := Write(t.Context(), &inputtest.Sink{}, st, in, []string{"[a"}); err == nil {
		t.Error("a broken pattern is no error")
	}
}

func TestExtract(t *testing.T) {
	st := inputtest.Store(t)
	in := put(t, st, small(t))
	dir := filepath.Join(t.TempDir(), "go")
	if err := Extract(t.Context(), st, in, dir, "src/cmd/**"); err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		fmt.Fprintln(&got, fi.Mode(), fi.Size(), fi.ModTime().UTC().Format("2006-01-02T15:04:05Z"), rel)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	inputtest.Golden(t, "extract.txt", got.String())
	if err := Extract(t.Context(), st, in, dir); !errors.Is(err, fs.ErrExist) {
		t.Errorf("unpacking over files: %v", err)
	}
}

// A link that someone else put below the folder leads nowhere.
func TestExtractStaysInside(t *testing.T) {
	st := inputtest.Store(t)
	in := put(t, st, small(t))
	dir, outside := t.TempDir(), t.TempDir()
	if err := os.Symlink(outside, filepath.Join(dir, "src")); err != nil {
		t.Fatal(err)
	}
	if err := Extract(t.Context(), st, in, dir); err == nil {
		t.Error("no error")
	}
	if es, _ := os.ReadDir(outside); len(es) > 0 {
		t.Errorf("%s was written outside", es[0].Name())
	}
}

func TestHostileArchives(t *testing.T) {
	version := member{name: "VERSION", content: testVERSION}
	good := pack(t, version, member{name: "a", content: strings.Repeat("abc", 1000)})
	for name, tc := range map[string]struct {
		archive []byte
		want    string
	}{
		"absolute":        {pack(t, version, member{name: "!/etc/passwd"}), "no path below"},
		"dots":            {pack(t, version, member{name: "../../etc/passwd"}), "no path below"},
		"dots inside":     {pack(t, version, member{name: "a/../b"}), "no path below"},
		"another module":  {pack(t, version, member{name: "!example.com/x@v1.0.0/a"}), "no path below"},
		"backslash":       {pack(t, version, member{name: `a\b`}), "no path below"},
		"empty name":      {pack(t, version, member{name: "x//y"}), "no path below"},
		"link":            {pack(t, version, member{name: "a", content: "/etc", mode: fs.ModeSymlink | 0o777}), "not a regular file"},
		"device":          {pack(t, version, member{name: "a", mode: fs.ModeDevice}), "not a regular file"},
		"twice":           {pack(t, version, member{name: "a"}, member{name: "a"}), "twice"},
		"twice as go.mod": {pack(t, version, member{name: "src/go.mod"}, member{name: "src/_go.mod"}), "twice"},
		"file and folder": {pack(t, version, member{name: "a"}, member{name: "a-b"}, member{name: "a/b/c"}), "both"},
		"no VERSION":      {pack(t, member{name: "a"}), "no VERSION"},
		"other VERSION":   {pack(t, member{name: "VERSION", content: "go1.27.4\n"}), "not of go1.27.3"},
		"no time":         {pack(t, member{name: "VERSION", content: "go1.27.3\n"}), "no time"},
		"bad time":        {pack(t, member{name: "VERSION", content: "go1.27.3\ntime yesterday\n"}), "VERSION"},
		"truncated":       {good[:len(good)-30], "not a valid zip"},
		"not a zip":       {[]byte("<html>404</html>"), "not a valid zip"},
		"empty":           {nil, "not a valid zip"},
		"huge":            {resized(t, good, maxContent+1), "unpacks to more"},
		"longer":          {resized(t, good, 2999), "inflating"},
		"shorter":         {resized(t, good, 3001), "inflating"},
		"checksum":        {flipped(t, good), "inflating"},
	} {
		t.Run(name, func(t *testing.T) {
			st := inputtest.Store(t)
			in := put(t, st, tc.archive)
			for call, err := range map[string]error{
				"Write":   Write(t.Context(), &inputtest.Sink{}, st, in, nil),
				"Extract": Extract(t.Context(), st, in, t.TempDir()),
			} {
				if err == nil || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("%s: got error %v, want one with %q", call, err, tc.want)
				}
			}
		})
	}
}

// resized lets the zip's directory state another size for its last file.
func resized(t *testing.T, b []byte, size uint32) []byte {
	t.Helper()
	return patched(t, b, 24, []byte{byte(size), byte(size >> 8), byte(size >> 16), byte(size >> 24)})
}

// flipped lets the zip's directory state another CRC-32 for its last file.
func flipped(t *testing.T, b []byte) []byte {
	t.Helper()
	return patched(t, b, 16, []byte{1, 2, 3, 4})
}

// patched changes the last record of the central directory at an offset
// (APPNOTE.TXT 4.3.12).
func patched(t *testing.T, b []byte, offset int, with []byte) []byte {
	t.Helper()
	b = bytes.Clone(b)
	at := bytes.LastIndex(b, []byte("PK\x01\x02"))
	if at < 0 {
		t.Fatal("no central directory")
	}
	copy(b[at+offset:], with)
	return b
}

func TestWriteStops(t *testing.T) {
	st := inputtest.Store(t)
	in := put(t, st, small(t))
	broken := errors.New("the disk is full")
	if err := Write(t.Context(), failing{broken}, st, in, nil); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Write(ctx, &inputtest.Sink{}, st, in, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func FuzzArchive(f *testing.F) {
	f.Add(small(f))
	f.Add(pack(f, member{name: "VERSION", content: testVERSION}, member{name: "../x"}))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := readArchive(bytes.NewReader(b), int64(len(b)), testPrefix, testVersion)
		if err != nil {
			return
		}
		total := int64(0)
		_ = each(t.Context(), a.entries, func(e entry, r io.Reader) error {
			if !fs.ValidPath(e.path) {
				t.Errorf("path %q came through", e.path)
			}
			n, err := io.Copy(io.Discard, r)
			if total += n; n > e.size() || total > maxContent {
				t.Errorf("%s: %d bytes, %d in all", e.path, n, total)
			}
			return err
		})
	})
}

type failing struct{ err error }

func (f failing) Add(*tar.Header, io.Reader) error { return f.err }

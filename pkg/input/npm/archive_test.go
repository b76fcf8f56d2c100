package npm

import (
	"archive/tar"
	"bytes"
	"cmp"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
)

// tgz packs entries; a file's content is as many x as its Size says.
func tgz(t testing.TB, entries ...tar.Header) []byte {
	t.Helper()
	var buf bytes.Buffer
	zw := gzip.NewWriter(&buf)
	tw := tar.NewWriter(zw)
	for _, h := range entries {
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		if global := h.Typeflag == tar.TypeXGlobalHeader; !global {
			h.ModTime, h.Mode = cmp.Or(h.ModTime, epoch), cmp.Or(h.Mode, 0o644)
		}
		if err := tw.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := io.CopyN(tw, strings.NewReader(strings.Repeat("x", int(h.Size))), h.Size); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(tw.Close(), zw.Close()); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func readAll(b []byte, limit int64) (paths []string, err error) {
	for f, err := range files(bytes.NewReader(b), limit) {
		if err != nil {
			return paths, err
		}
		if _, err := io.Copy(io.Discard, f.Content); err != nil {
			return paths, err
		}
		paths = append(paths, f.Path)
	}
	return paths, nil
}

func TestFiles(t *testing.T) {
	b := tgz(t,
		tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "a commit"}},
		tar.Header{Name: "package/", Typeflag: tar.TypeDir, Mode: 0o777},
		tar.Header{Name: "package/package.json", Size: 2},
		tar.Header{Name: "./node v1/lib//a.js", Size: 5},
		tar.Header{Name: "package/" + strings.Repeat("long/", 60) + "x", Size: 1},
	)
	got, err := readAll(b, 100)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"package.json", "lib/a.js", strings.Repeat("long/", 60) + "x"}
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestHostileArchives(t *testing.T) {
	ok := tar.Header{Name: "package/a", Size: 3}
	good := tgz(t, ok)
	flipped := bytes.Clone(good)
	flipped[len(flipped)-6] ^= 1 // in gzip's CRC-32
	trailing := tarWithTail(t, []byte("#!/bin/sh\n"))

	for name, tc := range map[string]struct {
		archive []byte
		want    string
	}{
		"absolute":          {tgz(t, tar.Header{Name: "/etc/passwd", Size: 1}), "no path"},
		"dots":              {tgz(t, tar.Header{Name: "package/../../etc/passwd", Size: 1}), "no path"},
		"dots inside":       {tgz(t, tar.Header{Name: "package/a/../b", Size: 1}), "no path"},
		"dots folder":       {tgz(t, tar.Header{Name: "package/../..", Typeflag: tar.TypeDir}), "no path"},
		"no folder":         {tgz(t, tar.Header{Name: "a", Size: 1}), "no path"},
		"newline":           {tgz(t, tar.Header{Name: "package/a\nb", Size: 1}), "no path"},
		"very long":         {tgz(t, tar.Header{Name: "package/" + strings.Repeat("x/", 2100) + "y", Size: 1}), "no path"},
		"symbolic link":     {tgz(t, tar.Header{Name: "package/a", Typeflag: tar.TypeSymlink, Linkname: "/etc"}), "link"},
		"hard link":         {tgz(t, ok, tar.Header{Name: "package/b", Typeflag: tar.TypeLink, Linkname: "package/a"}), "link"},
		"device":            {tgz(t, tar.Header{Name: "package/a", Typeflag: tar.TypeBlock, Devmajor: 8}), "neither"},
		"fifo":              {tgz(t, tar.Header{Name: "package/a", Typeflag: tar.TypeFifo}), "neither"},
		"twice":             {tgz(t, ok, ok), "twice"},
		"twice by cleaning": {tgz(t, ok, tar.Header{Name: "other/./a", Size: 1}), "twice"},
		"bomb":              {tgz(t, ok, tar.Header{Name: "package/b", Size: 1 << 20}), errTooBig.Error()},
		"truncated":         {good[:len(good)-9], "unexpected EOF"},
		"truncated early":   {good[:12], "unexpected EOF"},
		"checksum":          {flipped, "checksum"},
		"not gzip":          {[]byte("<html>404</html>"), "gzip"},
		"empty":             {nil, "gzip"},
		"after the gzip":    {append(bytes.Clone(good), "garbage"...), "archive's end"},
		"after the tar":     {trailing, "follows the end"},
		"a second gzip":     {append(bytes.Clone(good), good...), "follows the end"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readAll(tc.archive, 1<<16)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got error %v, want one with %q", err, tc.want)
			}
		})
	}
}

// tarWithTail is an archive with something after the tar's two zero blocks.
func tarWithTail(t *testing.T, tail []byte) []byte {
	t.Helper()
	zr, err := gzip.NewReader(bytes.NewReader(tgz(t, tar.Header{Name: "package/a", Size: 3})))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(zr)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	zw := gzip.NewWriter(&out)
	zw.Write(append(b, tail...))
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// A gigabyte of zeros packs to 1 MB; it must fail long before it is read.
func TestBombIsCheap(t *testing.T) {
	var out bytes.Buffer
	zw := gzip.NewWriter(&out)
	zeros := make([]byte, 1<<20)
	for range 512 {
		zw.Write(zeros)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	whole := out.Len()
	var err error
	for _, e := range files(&out, 1<<10) {
		err = e
	}
	if !errors.Is(err, errTooBig) {
		t.Errorf("got %v, want %v", err, errTooBig)
	}
	if read := whole - out.Len(); read > whole/4 {
		t.Errorf("%d of %d bytes were unpacked before it was given up", read, whole)
	}
}

func FuzzFiles(f *testing.F) {
	f.Add(tgz(f, tar.Header{Name: "package/a", Size: 3}, tar.Header{Name: "package/b/", Typeflag: tar.TypeDir}))
	f.Add(tgz(f, tar.Header{Name: "package/../a", Size: 3}))
	f.Add(tgz(f, tar.Header{Name: "package/l", Typeflag: tar.TypeSymlink, Linkname: "/"}))
	f.Add([]byte("\x1f\x8b"))
	f.Fuzz(func(t *testing.T, b []byte) {
		const limit = 1 << 20
		total := int64(0)
		for f, err := range files(bytes.NewReader(b), limit) {
			if err != nil {
				return
			}
			if f.Path == "" || strings.HasPrefix(f.Path, "/") || strings.Contains("/"+f.Path+"/", "/../") {
				t.Fatalf("path %q came through", f.Path)
			}
			n, err := io.Copy(io.Discard, f.Content)
			if err != nil {
				return
			}
			if total += n; total > limit {
				t.Fatalf("%d bytes came through a limit of %d", total, limit)
			}
		}
	})
}

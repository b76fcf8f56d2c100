// Package debtest makes small .deb files for tests, good ones and bad ones.
package debtest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// Time is the modification time of entries that have none.
var Time = time.Date(2025, 8, 9, 10, 11, 12, 0, time.UTC)

// Member is one member of an ar archive.
type Member struct {
	Name string
	Data []byte
}

// Ar makes an ar archive.
func Ar(members ...Member) []byte {
	b := bytes.NewBufferString("!<arch>\n")
	for _, m := range members {
		fmt.Fprintf(b, "%-16s%-12d%-6d%-6d%-8o%-10d`\n", m.Name, Time.Unix(), 0, 0, 0o100644, len(m.Data))
		b.Write(m.Data)
		if len(m.Data)%2 == 1 {
			b.WriteByte('\n')
		}
	}
	return b.Bytes()
}

// Entry is one entry of data.tar. Where the header has no type it is a file,
// or a folder if its name ends in a slash.
type Entry struct {
	tar.Header
	Content string
}

// Dir is a folder's entry.
func Dir(name string, mode int64) Entry {
	return Entry{Header: tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: mode}}
}

// File is a file's entry.
func File(name string, mode int64, content string) Entry {
	return Entry{Header: tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode}, Content: content}
}

// Symlink is a symbolic link's entry.
func Symlink(name, target string) Entry {
	return Entry{Header: tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777}}
}

// Link is a hard link's entry.
func Link(name, target string) Entry {
	return Entry{Header: tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: target, Mode: 0o644}}
}

// Tar makes a tar of the entries.
func Tar(t testing.TB, entries ...Entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := e.Header
		h.Size = int64(len(e.Content))
		if h.ModTime.IsZero() {
			h.ModTime = Time
		}
		if h.Format == tar.FormatUnknown {
			h.Format = tar.FormatGNU
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.Content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Compress compresses as the suffix says: "", ".gz", ".xz", ".zst".
func Compress(t testing.TB, suffix string, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	var err error
	switch suffix {
	case "":
		return data
	case ".gz":
		w = gzip.NewWriter(&b)
	case ".xz":
		w, err = xz.NewWriter(&b)
	case ".zst":
		w, err = zstd.NewWriter(&b, zstd.WithEncoderCRC(true))
	default:
		t.Fatalf("no compressor for %q", suffix)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Deb describes a package.
type Deb struct {
	Name, Version, Arch string
	// Fields are further lines of the control file.
	Fields []string
	// Control are further control files by name; scripts, whose text begins
	// with #!, are executable.
	Control map[string]string
	Entries []Entry
	// Suffix says how both tars are compressed; the default is ".xz".
	Suffix *string
}

// Bytes makes the .deb.
func (d Deb) Bytes(t testing.TB) []byte {
	t.Helper()
	suffix := ".xz"
	if d.Suffix != nil {
		suffix = *d.Suffix
	}
	return Ar(Mem("debian-binary", []byte("2.0\n")),
		Mem("control.tar"+suffix, Compress(t, suffix, d.ControlTar(t))),
		Mem("data.tar"+suffix, Compress(t, suffix, Tar(t, d.Entries...))))
}

// ControlTar makes control.tar.
func (d Deb) ControlTar(t testing.TB) []byte {
	t.Helper()
	text := fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: %s\n", d.Name, d.Version, d.Arch)
	for _, f := range d.Fields {
		text += f + "\n"
	}
	entries := []Entry{Dir("./", 0o755), File("./control", 0o644, text+"Description: a test\n of imgbuild\n")}
	for _, name := range []string{"conffiles", "config", "md5sums", "postinst", "postrm", "preinst", "prerm", "shlibs", "symbols", "templates", "triggers"} {
		if c, ok := d.Control[name]; ok {
			mode := int64(0o644)
			if strings.HasPrefix(c, "#!") {
				mode = 0o755
			}
			entries = append(entries, File("./"+name, mode, c))
		}
	}
	return Tar(t, entries...)
}

// Mem is a Member.
func Mem(name string, data []byte) Member { return Member{Name: name, Data: data} }

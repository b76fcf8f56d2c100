package deb_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/deb"
	. "github.com/imgbuild/imgbuild/pkg/deb/debtest"
)

// sample is a package with an entry of each kind.
func sample(suffix string) Deb {
	return Deb{
		Name: "hello", Version: "1:2.10-3", Arch: "amd64", Suffix: &suffix,
		Fields:  []string{"Multi-Arch: foreign"},
		Control: map[string]string{"postinst": "#!/bin/sh\nexit 0\n", "md5sums": "x  usr/bin/hello\n"},
		Entries: []Entry{
			Dir("./", 0o755), Dir("./usr/", 0o755), Dir("./usr/bin/", 0o755),
			File("./usr/bin/hello", 0o4755, strings.Repeat("hello, world\n", 1000)),
			Link("./usr/bin/hi", "./usr/bin/hello"),
			Symlink("./usr/bin/hey", "../bin/hello"),
			Symlink("./usr/bin/ho", "/usr/bin/hello"),
		},
	}
}

// list reads a whole package and returns a line for each entry.
func list(r io.Reader, lim deb.Limits) ([]string, error) {
	d, err := deb.NewReader(r, lim)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	var out []string
	for {
		h, err := d.Next()
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		sum := sha256.New()
		n, err := io.Copy(sum, d)
		if err != nil {
			return out, err
		}
		out = append(out, fmt.Sprintf("%s %c %o %s %d", h.Name, h.Typeflag, h.Mode, h.Linkname, n))
	}
}

func TestReader(t *testing.T) {
	want := []string{
		". 5 755  0", "usr 5 755  0", "usr/bin 5 755  0", "usr/bin/hello 0 4755  13000",
		"usr/bin/hi 1 644 usr/bin/hello 0", "usr/bin/hey 2 777 ../bin/hello 0", "usr/bin/ho 2 777 /usr/bin/hello 0",
	}
	for _, suffix := range []string{"", ".gz", ".xz", ".zst"} {
		t.Run("tar"+suffix, func(t *testing.T) {
			b := sample(suffix).Bytes(t)
			got, err := list(bytes.NewReader(b), deb.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, want) {
				t.Errorf("entries:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			d, err := deb.NewReader(bytes.NewReader(b), deb.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			if v := d.Stanza().Get("version"); v != "1:2.10-3" {
				t.Errorf("version %q", v)
			}
			if v := d.Stanza().Get("Description"); v != "a test\n of imgbuild" {
				t.Errorf("description %q", v)
			}
			var names []string
			for _, c := range d.Control() {
				names = append(names, fmt.Sprintf("%s %v", c.Name, c.Executable))
			}
			if w := []string{"control false", "md5sums false", "postinst true"}; !slices.Equal(names, w) {
				t.Errorf("control files %q, want %q", names, w)
			}
		})
	}
}

// TestTruncated cuts the package off everywhere: no cut may go unnoticed.
func TestTruncated(t *testing.T) {
	for _, suffix := range []string{"", ".gz", ".xz", ".zst"} {
		b := sample(suffix).Bytes(t)
		for n := 0; n < len(b); n += 1 + len(b)/700 {
			if _, err := list(bytes.NewReader(b[:n]), deb.Limits{}); err == nil {
				t.Errorf("tar%s: %d of %d bytes were enough", suffix, n, len(b))
			}
		}
		// The last byte is the ar padding where the member's size is odd.
		if _, err := list(bytes.NewReader(b[:len(b)-1]), deb.Limits{}); err == nil {
			t.Errorf("tar%s: the last byte was not missed", suffix)
		}
	}
}

// TestFlipped flips bits of the compressed data: the formats with a checksum
// must find each.
func TestFlipped(t *testing.T) {
	for _, suffix := range []string{".gz", ".xz", ".zst"} {
		orig := sample(suffix).Bytes(t)
		want, err := list(bytes.NewReader(orig), deb.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		for i := bytes.Index(orig, []byte("data.tar")) + 60; i < len(orig); i++ {
			b := bytes.Clone(orig)
			b[i] ^= 0x10
			got, err := list(bytes.NewReader(b), deb.Limits{})
			// Some bytes of the formats are without effect (gzip's header, the tail
			// of LZMA's range coder): then nothing differs.
			if err == nil && !slices.Equal(got, want) {
				t.Errorf("tar%s: a flip at %d was not found", suffix, i)
			}
		}
	}
}

func TestHostileEntries(t *testing.T) {
	special := func(name string, typ byte) Entry {
		return Entry{Header: tar.Header{Typeflag: typ, Name: name, Mode: 0o644, Devmajor: 1, Devminor: 3}}
	}
	for name, c := range map[string]struct {
		entry Entry
		want  string
	}{
		"absolute":               {File("/etc/passwd", 0o644, "x"), "absolute"},
		"dot dot":                {File("./../etc/passwd", 0o644, "x"), ".."},
		"dot dot inside":         {File("./usr/../../etc/passwd", 0o644, "x"), ".."},
		"dot dot dir":            {Dir("../", 0o755), ".."},
		"absolute hard link":     {Link("./a", "/etc/passwd"), "absolute"},
		"hard link out":          {Link("./a", "../etc/passwd"), ".."},
		"empty hard link":        {Link("./a", ""), "empty"},
		"symbolic link out":      {Symlink("./usr/a", "../../etc"), "out of the root"},
		"empty symbolic link":    {Symlink("./usr/a", ""), "empty"},
		"character device":       {special("./dev/null", tar.TypeChar), "devices"},
		"block device":           {special("./dev/sda", tar.TypeBlock), "devices"},
		"fifo":                   {special("./run/fifo", tar.TypeFifo), "devices"},
		"newline":                {File("./a\nb", 0o644, ""), "newline"},
		"newline in link target": {Symlink("./a", "b\nc"), "newline"},
		"long component":         {File("./"+strings.Repeat("x", 256), 0o644, ""), "255"},
		"long path":              {File("./"+strings.Repeat("x/", 2048)+"y", 0o644, ""), "4096"},
		"long target":            {Symlink("./a", strings.Repeat("x/", 2048)+"y"), "4096"},
		"root is a file":         {File("./.", 0o644, ""), "root"},
		"root is a link":         {Symlink("./.", "etc"), "root"},
	} {
		t.Run(name, func(t *testing.T) {
			d := Deb{Name: "evil", Version: "6.6", Arch: "all", Entries: []Entry{Dir("./", 0o755), c.entry}}
			_, err := list(bytes.NewReader(d.Bytes(t)), deb.Limits{})
			if err == nil {
				t.Fatal("accepted")
			}
			if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "evil 6.6") {
				t.Errorf("error %q does not name the package or say %q", err, c.want)
			}
		})
	}
}

func TestHostileControl(t *testing.T) {
	control := File("./control", 0o644, "Package: a\nVersion: 1\nArchitecture: all\n")
	for name, entries := range map[string][]Entry{
		"no control":      {File("./md5sums", 0o644, "")},
		"folder":          {control, Dir("./x/", 0o755)},
		"path":            {control, File("./x/y", 0o644, "")},
		"dot dot":         {control, File("../y", 0o644, "")},
		"link":            {control, Symlink("./postinst", "/bin/sh")},
		"twice":           {control, control},
		"empty":           {File("./control", 0o644, "")},
		"second stanza":   {File("./control", 0o644, "Package: a\nVersion: 1\nArchitecture: all\n\nPackage: b\n")},
		"name is a path":  {File("./control", 0o644, "Package: ../../x\nVersion: 1\nArchitecture: all\n")},
		"field twice":     {File("./control", 0o644, "Package: a\npackage: b\nVersion: 1\nArchitecture: all\n")},
		"no version":      {File("./control", 0o644, "Package: a\nArchitecture: all\n")},
		"continues first": {File("./control", 0o644, " x\nPackage: a\nVersion: 1\nArchitecture: all\n")},
		"too large":       {control, File("./md5sums", 0o644, strings.Repeat("x", 9<<20))},
	} {
		t.Run(name, func(t *testing.T) {
			b := Ar(Mem("debian-binary", []byte("2.0\n")), Mem("control.tar.gz", Compress(t, ".gz", Tar(t, entries...))),
				Mem("data.tar", Tar(t)))
			if _, err := deb.NewReader(bytes.NewReader(b), deb.Limits{}); err == nil {
				t.Error("accepted")
			}
		})
	}
}

func TestHostileFile(t *testing.T) {
	d := sample(".gz")
	version, control := Mem("debian-binary", []byte("2.0\n")), Mem("control.tar", d.ControlTar(t))
	data := Mem("data.tar.gz", Compress(t, ".gz", Tar(t, d.Entries...)))
	good := Ar(version, control, data)
	with := func(m Member, b ...byte) Member { m.Data = slices.Concat(m.Data, b); return m }
	plain := Tar(t, d.Entries...)
	for name, b := range map[string][]byte{
		"empty":                    {},
		"not ar":                   []byte("PK\x03\x04 and so on, long enough"),
		"garbage after":            append(bytes.Clone(good), "garbage"...),
		"newline after":            append(bytes.Clone(good), '\n'),
		"member after":             Ar(version, control, data, Mem("more", nil)),
		"format 3":                 Ar(Mem("debian-binary", []byte("3.0\n")), control, data),
		"format without newline":   Ar(Mem("debian-binary", []byte("2.0")), control, data),
		"order":                    Ar(version, data, control),
		"no control":               Ar(version, data),
		"no data":                  Ar(version, control),
		"two data":                 Ar(version, control, data, data),
		"unknown compressor":       Ar(version, control, Mem("data.tar.lzma", data.Data)),
		"wrong compressor":         Ar(version, control, Mem("data.tar.xz", data.Data)),
		"garbage in member":        Ar(version, control, with(data, []byte("junk")...)),
		"zeros in member":          Ar(version, control, with(data, 0, 0, 0, 0)),
		"garbage behind tar":       Ar(version, control, Mem("data.tar", slices.Concat(plain, []byte("junk")))),
		"tar without its end mark": Ar(version, control, Mem("data.tar", plain[:len(plain)-1024])),
		"tar with half end mark":   Ar(version, control, Mem("data.tar", plain[:len(plain)-512])),
		"garbage in control":       Ar(version, with(control, []byte("junk")...), data),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := list(bytes.NewReader(b), deb.Limits{}); err == nil {
				t.Error("accepted")
			}
		})
	}
	if _, err := list(bytes.NewReader(Ar(version, Mem("_ext", []byte("x")), control, data)), deb.Limits{}); err != nil {
		t.Errorf("an extension member, which deb(5) allows: %v", err)
	}
}

// zeros is an endless file's tar: a header and then n zero bytes.
type zeros struct{ n int64 }

func (z *zeros) Read(p []byte) (int, error) {
	if z.n == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), z.n)
	clear(p[:n])
	z.n -= n
	return int(n), nil
}

// TestBombs unpacks a gigabyte of zeros from a few kilobytes.
func TestBombs(t *testing.T) {
	var head bytes.Buffer
	w := tar.NewWriter(&head)
	const size = 1 << 30
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "./bomb", Mode: 0o644, Size: size, Format: tar.FormatGNU}); err != nil {
		t.Fatal(err)
	}
	packed := packZeros(t, head.Bytes(), size+1024)
	d := sample("")
	b := Ar(Mem("debian-binary", []byte("2.0\n")), Mem("control.tar", d.ControlTar(t)), Mem("data.tar.zst", packed))
	if len(b) > 1<<20 {
		t.Fatalf("the bomb has %d bytes", len(b))
	}
	for name, lim := range map[string]deb.Limits{
		"default": {},
		"size":    {Data: 100 << 20, Ratio: 1 << 40},
	} {
		if _, err := list(bytes.NewReader(b), lim); !errors.Is(err, deb.ErrTooLarge) {
			t.Errorf("%s limits: error %v, want ErrTooLarge", name, err)
		}
	}
	// The same as a control file.
	b = Ar(Mem("debian-binary", []byte("2.0\n")), Mem("control.tar.zst", packed), Mem("data.tar", Tar(t)))
	if _, err := list(bytes.NewReader(b), deb.Limits{}); !errors.Is(err, deb.ErrTooLarge) {
		t.Errorf("control bomb: error %v, want ErrTooLarge", err)
	}
}

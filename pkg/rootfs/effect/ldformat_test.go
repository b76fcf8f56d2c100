package effect

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"
)

func TestCompareLibraries(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"libz.so.1", "libz.so.1", 0}, {"libz.so.10", "libz.so.9", 1}, {"libz.so.1.9", "libz.so.1.10", -1},
		{"libz.so", "libz.so.1", -1}, {"lib1", "libz", 1}, {"liba", "libb", -1}, {"lib01", "lib1", 0}, {"", "a", -1},
		{"lib9x", "lib10", -1}, {"libz.so.1", "libz.so.1a", -1},
	} {
		if got, back := compareLibraries(c.a, c.b), compareLibraries(c.b, c.a); got != c.want || back != -c.want {
			t.Errorf("%q, %q: got %d and %d, want %d", c.a, c.b, got, back, c.want)
		}
	}
}

// decodeCache reads a cache back, as ld.so does.
func decodeCache(t *testing.T, b []byte) (entries []cacheEntry, generator string) {
	t.Helper()
	u32 := func(at uint32) uint32 { return binary.LittleEndian.Uint32(b[at:]) }
	text := func(at uint32) string { return string(b[at : at+uint32(bytes.IndexByte(b[at:], 0))]) }
	if string(b[:20]) != cacheMagic || b[28] != cacheEndian {
		t.Fatalf("bad header %q", b[:32])
	}
	ext := u32(32)
	if u32(ext) != extensionMagic || ext%4 != 0 {
		t.Fatalf("no extension at %d", ext)
	}
	var hwcaps []string
	for i := range u32(ext + 4) {
		s := ext + extensionHeader + i*extensionSection
		at, size := u32(s+8), u32(s+12)
		switch u32(s) {
		case tagGenerator:
			generator = string(b[at : at+size])
		case tagHwcaps:
			for ; size > 0; at, size = at+4, size-4 {
				hwcaps = append(hwcaps, text(u32(at)))
			}
		}
	}
	for i := range u32(20) {
		at := cacheHeaderSize + i*cacheEntrySize
		e := cacheEntry{flags: u32(at), soname: text(u32(at + 4)), path: text(u32(at + 8))}
		if high := u32(at + 20); high != 0 {
			e.hwcaps, e.isaLevel = hwcaps[u32(at+16)], high&0x3ff
		}
		entries = append(entries, e)
	}
	return entries, generator
}

func TestEncodeCache(t *testing.T) {
	plain := cacheEntry{soname: "libz.so.1", path: "/lib/libz.so.1", flags: 0x303}
	v2, v3 := plain, plain
	v2.hwcaps, v2.path, v2.isaLevel = "x86-64-v2", "/lib/glibc-hwcaps/x86-64-v2/libz.so.1", 1
	v3.hwcaps, v3.path, v3.isaLevel = "x86-64-v3", "/lib/glibc-hwcaps/x86-64-v3/libz.so.1", 2
	second := plain
	second.path = "/usr/local/lib/libz.so.1"
	ten := cacheEntry{soname: "libz.so.10", path: "/lib/libz.so.10", flags: 0x303}
	got, generator := decodeCache(t, encodeCache([]cacheEntry{plain, second, v3, ten, v2}, "ldconfig 2.41"))
	if want := []cacheEntry{ten, v2, v3, plain, second}; !slices.Equal(got, want) || generator != "ldconfig 2.41" {
		t.Errorf("got %+v by %q, want %+v", got, generator, want)
	}
	if got, _ := decodeCache(t, encodeCache(nil, "x")); len(got) != 0 {
		t.Errorf("an empty cache has %+v", got)
	}
}

func FuzzEncodeCache(f *testing.F) {
	f.Add("libz.so.1 libz.so.10 z.so.1 x/libz.so.1")
	f.Fuzz(func(t *testing.T, names string) {
		var entries []cacheEntry
		for _, n := range strings.Fields(names) {
			if strings.Contains(n, "\x00") {
				return
			}
			entries = append(entries, cacheEntry{soname: n, path: "/" + n, flags: 3})
		}
		got, _ := decodeCache(t, encodeCache(entries, "g"))
		slices.SortStableFunc(entries, compareEntries)
		if !slices.Equal(got, entries) {
			t.Errorf("%q comes back as %+v", names, got)
		}
	})
}

func TestLdConf(t *testing.T) {
	m := newMemTree("amd64").
		file("etc/ld.so.conf", "# x\n/opt/a/ # y\n/opt/b=libc6\ninclude /etc/ld.so.conf.d/*.conf more/x\nhwcap 1 z\n/opt/z\n").
		file("etc/ld.so.conf.d/b.conf", "/b\n").file("etc/ld.so.conf.d/a.conf", "/a\ninclude /etc/ld.so.conf\n").
		file("etc/ld.so.conf.d/.hidden.conf", "/no\n").file("etc/ld.so.conf.d/deeper/c.conf", "/no\n").file("etc/more/x", "/x")
	got, err := ldConf(m, "etc/ld.so.conf")
	if want := []string{"/opt/a", "/opt/b", "/a", "/b", "/x", "/opt/z"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}

func FuzzLdConf(f *testing.F) {
	f.Add("include /etc/ld.so.conf.d/*.conf\n/lib # x\n/y=libc6\n")
	f.Add("include ld.so.conf\n")
	f.Fuzz(func(t *testing.T, text string) {
		m := newMemTree("amd64").file("etc/ld.so.conf", text).file("etc/ld.so.conf.d/a.conf", "/opt/lib\n")
		dirs, err := ldConf(m, "etc/ld.so.conf")
		if err == nil && slices.Contains(dirs, "") {
			t.Error("an empty folder")
		}
	})
}

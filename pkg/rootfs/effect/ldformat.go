package effect

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
	"strings"
)

// The layout of the file is that of glibc's dl-cache.h (struct cache_file_new,
// file_entry_new, cache_extension), little-endian.
const (
	cacheMagic       = "glibc-ld.so.cache1.1"
	cacheHeaderSize  = 48
	cacheEntrySize   = 24
	cacheEndian      = 2 // little
	extensionMagic   = 0xeaa42174
	extensionHeader  = 8
	extensionSection = 16
	tagGenerator     = 0
	tagHwcaps        = 1
	hwcapExtension   = 1 << 62 // DL_CACHE_HWCAP_EXTENSION
)

// cacheEntry is one library in the cache.
type cacheEntry struct {
	soname, path    string
	flags, isaLevel uint32
	hwcaps          string // the glibc-hwcaps folder it is in, or ""
}

// compareLibraries orders names with numbers by their value
// (_dl_cache_libcmp).
func compareLibraries(a, b string) int {
	for i, j := 0, 0; ; {
		if i == len(a) || j == len(b) {
			return cmp.Compare(len(a)-i, len(b)-j)
		}
		x, y := a[i], b[j]
		switch dx, dy := isDigit(x), isDigit(y); {
		case dx && dy:
			var m, n int32 // C's int, with its overflow
			for ; i < len(a) && isDigit(a[i]); i++ {
				m = m*10 + int32(a[i]-'0')
			}
			for ; j < len(b) && isDigit(b[j]); j++ {
				n = n*10 + int32(b[j]-'0')
			}
			if m != n {
				return cmp.Compare(m, n)
			}
		case dx:
			return 1
		case dy:
			return -1
		case x != y:
			return cmp.Compare(x, y)
		default:
			i++
			j++
		}
	}
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// compareEntries is the order of the cache: sonames backwards, then flags
// backwards, then entries for special hardware before the plain one.
func compareEntries(a, b cacheEntry) int {
	if c := compareLibraries(b.soname, a.soname); c != 0 {
		return c
	}
	if c := cmp.Compare(b.flags, a.flags); c != 0 {
		return c
	}
	if (a.hwcaps != "") != (b.hwcaps != "") {
		if a.hwcaps != "" {
			return -1
		}
		return 1
	}
	return strings.Compare(a.hwcaps, b.hwcaps)
}

// encodeCache returns the content of ld.so.cache. Entries that compare equal
// keep their order, which is that of the folders.
func encodeCache(entries []cacheEntry, generator string) []byte {
	entries = slices.Clone(entries)
	slices.SortStableFunc(entries, compareEntries)
	table := map[string]uint32{}
	var hwcaps []string
	for _, e := range entries {
		table[e.soname], table[e.path] = 0, 0
		if e.hwcaps != "" {
			table[e.hwcaps] = 0
			hwcaps = append(hwcaps, e.hwcaps)
		}
	}
	slices.Sort(hwcaps)
	hwcaps = slices.Compact(hwcaps)
	base := uint32(cacheHeaderSize + cacheEntrySize*len(entries))
	text := layOut(table)
	extension := (base + uint32(len(text)) + 3) &^ 3

	var b bytes.Buffer
	u32 := func(v ...uint32) {
		for _, x := range v {
			b.Write(binary.LittleEndian.AppendUint32(nil, x))
		}
	}
	b.WriteString(cacheMagic)
	u32(uint32(len(entries)), uint32(len(text)), cacheEndian, extension, 0, 0, 0)
	for _, e := range entries {
		var hwcap uint64
		if i, ok := slices.BinarySearch(hwcaps, e.hwcaps); ok {
			hwcap = hwcapExtension | uint64(e.isaLevel)<<32 | uint64(i)
		}
		u32(e.flags, base+table[e.soname], base+table[e.path], 0, uint32(hwcap), uint32(hwcap>>32))
	}
	b.Write(text)
	b.Write(make([]byte, extension-base-uint32(len(text))))

	sections := uint32(1)
	if len(hwcaps) > 0 {
		sections = 2
	}
	data := extension + extensionHeader + extensionSection*sections
	names := uint32(4 * len(hwcaps))
	u32(extensionMagic, sections)
	u32(tagGenerator, 0, data+names, uint32(len(generator)))
	if len(hwcaps) > 0 {
		u32(tagHwcaps, 0, data, names)
		for _, h := range hwcaps {
			u32(base + table[h])
		}
	}
	b.WriteString(generator)
	return b.Bytes()
}

// layOut fills in the offset of each string and returns the string table, in
// which a string that another one ends with shares its bytes
// (stringtable_finalize): they are sorted by their ends, backwards, the longer
// first.
func layOut(table map[string]uint32) []byte {
	list := make([]string, 0, len(table))
	for s := range table {
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b string) int {
		for i := 1; i <= min(len(a), len(b)); i++ {
			if c := cmp.Compare(b[len(b)-i], a[len(a)-i]); c != 0 {
				return c
			}
		}
		return cmp.Compare(len(b), len(a))
	})
	var text []byte
	previous := ""
	for _, s := range list {
		if previous == "" || !strings.HasSuffix(previous, s) {
			text = append(append(text, s...), 0)
		}
		table[s] = uint32(len(text) - len(s) - 1)
		previous = s
	}
	return text
}

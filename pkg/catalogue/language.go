package catalogue

import (
	"fmt"
	"unicode"
)

// language is one in which the pages are written.
type language struct {
	Tag  string // BCP 47
	dir  string // folder of its pages, with a slash at the end, or empty
	Name string // in the language itself
	text words
}

// languages are all; the first one is in the folder's root.
var languages = []*language{
	{Tag: "en", dir: "", Name: "English", text: english},
	{Tag: "zh-CN", dir: "zh/", Name: "中文", text: chinese},
}

func (l *language) other() *language {
	if l == languages[0] {
		return languages[1]
	}
	return languages[0]
}

// languageOf guesses the language of a text of the definition's author, for
// screen readers.
func languageOf(text string) string {
	for _, r := range text {
		if unicode.Is(unicode.Han, r) {
			return "zh-CN"
		}
	}
	return "en"
}

// bytesText is a size for people, with decimal units as registries show them.
func bytesText(n int64) string {
	abs := max(n, -n)
	switch {
	case abs >= 1e9:
		return fmt.Sprintf("%.2f GB", float64(n)/1e9)
	case abs >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	case abs >= 1e3:
		return fmt.Sprintf("%.0f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%d B", n)
}

// day is the date of an RFC 3339 time.
func day(t string) string {
	if len(t) > 10 && t[10] == 'T' {
		return t[:10]
	}
	return t
}

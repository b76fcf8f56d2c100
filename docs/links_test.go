package docs_test

import (
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
)

// Links inside the tree lead to a file, and to a heading where they name one.
func TestLinks(t *testing.T) {
	checked := 0
	for _, p := range pages(t) {
		for _, l := range p.Links {
			u, err := url.Parse(l.Text)
			if err != nil {
				t.Errorf("%s:%d: %q is no link: %v", p.path, l.Line, l.Text, err)
				continue
			}
			if u.Scheme != "" {
				continue
			}
			checked++
			to := p.path
			if u.Path != "" {
				to = path.Join(path.Dir(p.path), u.Path)
			}
			if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(to))); err != nil || strings.HasPrefix(to, "..") {
				t.Errorf("%s:%d: there is no %s", p.path, l.Line, to)
				continue
			}
			if u.Fragment != "" && !hasAnchor(read(t, to), u.Fragment) {
				t.Errorf("%s:%d: %s has no heading #%s", p.path, l.Line, to, u.Fragment)
			}
		}
	}
	if checked < 40 {
		t.Errorf("%d links were checked; the tree has more", checked)
	}
}

func hasAnchor(p page, anchor string) bool {
	for _, h := range p.Headings {
		if slug(h.Text) == anchor {
			return true
		}
	}
	return false
}

// slug is the anchor that GitHub gives to a heading.
func slug(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r):
			return unicode.ToLower(r)
		}
		return -1
	}, text)
}

package deb

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"
)

func arHeader(name, size, end string) string {
	f := func(s string, n int) string { return (s + strings.Repeat(" ", n))[:n] }
	return f(name, 16) + f("0", 12) + f("0", 6) + f("0", 6) + f("100644", 8) + f(size, 10) + end
}

func readAr(b []byte) (names []string, err error) {
	a, err := newArReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	for {
		m, err := a.next()
		if err == io.EOF {
			return names, nil
		}
		if err != nil {
			return names, err
		}
		n, err := io.Copy(io.Discard, a)
		if err != nil {
			return names, err
		}
		if n != m.Size {
			panic("a short member was no error")
		}
		names = append(names, m.Name)
	}
}

func TestAr(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		want []string // nil: an error
	}{
		"none":             {arMagic, []string{}},
		"two":              {arMagic + arHeader("a", "3", "`\n") + "abc\n" + arHeader("b/", "0", "`\n"), []string{"a", "b"}},
		"odd last":         {arMagic + arHeader("a", "1", "`\n") + "a\n", []string{"a"}},
		"padding absent":   {arMagic + arHeader("a", "1", "`\n") + "a", nil},
		"padding wrong":    {arMagic + arHeader("a", "1", "`\n") + "a\x00", nil},
		"magic cut":        {arMagic[:5], nil},
		"thin archive":     {"!<thin>\n", nil},
		"header cut":       {arMagic + arHeader("a", "1", "`\n")[:59], nil},
		"body cut":         {arMagic + arHeader("a", "9", "`\n") + "a", nil},
		"end mark":         {arMagic + arHeader("a", "0", "\n`"), nil},
		"size empty":       {arMagic + arHeader("a", "", "`\n"), nil},
		"size negative":    {arMagic + arHeader("a", "-1", "`\n"), nil},
		"size plus":        {arMagic + arHeader("a", "+1", "`\n") + "a\n", nil},
		"size hex":         {arMagic + arHeader("a", "0x1", "`\n") + "a\n", nil},
		"size inner space": {arMagic + arHeader("a", "1 1", "`\n") + "a\n", nil},
		"name empty":       {arMagic + arHeader("", "0", "`\n"), nil},
		"name table":       {arMagic + arHeader("//", "0", "`\n"), nil},
		"long name":        {arMagic + arHeader("/12", "0", "`\n"), nil},
		"name NUL":         {arMagic + arHeader("a\x00", "0", "`\n"), nil},
		"name spaces":      {arMagic + arHeader("a b", "0", "`\n"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readAr([]byte(c.in))
			if (err == nil) != (c.want != nil) || err == nil && !slices.Equal(got, c.want) {
				t.Errorf("got %q, %v; want %q", got, err, c.want)
			}
		})
	}
}

func FuzzAr(f *testing.F) {
	f.Add([]byte(arMagic + arHeader("debian-binary", "4", "`\n") + "2.0\n"))
	f.Add([]byte(arMagic + arHeader("a/", "1", "`\n") + "x\n" + arHeader("b", "0", "`\n")))
	f.Fuzz(func(t *testing.T, b []byte) {
		names, err := readAr(b)
		if err == nil && len(b) != len(arMagic) && len(names) == 0 {
			t.Error("bytes that belong to no member")
		}
		for _, n := range names {
			if n == "" || strings.ContainsAny(n, "/ \x00") {
				t.Errorf("name %q", n)
			}
		}
	})
}

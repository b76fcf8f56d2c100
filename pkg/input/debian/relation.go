package debian

import (
	"fmt"
	"strings"
)

// Relation names a package, perhaps only some versions of it: one alternative
// of a Depends, Conflicts or similar field (Debian Policy 7.1).
type Relation struct {
	Name string
	// Arch is the qualifier after the name: "" for none, any, native, or an
	// architecture.
	Arch string
	// Op is one of << <= = >= >>, or "" for any version.
	Op      string
	Version string
}

func (r Relation) String() string {
	s := r.Name
	if r.Arch != "" {
		s += ":" + r.Arch
	}
	if r.Op != "" {
		s += " (" + r.Op + " " + r.Version + ")"
	}
	return s
}

// Accepts says whether a version is one that the relation asks for.
func (r Relation) Accepts(version string) bool {
	if r.Op == "" {
		return true
	}
	c := CompareVersions(version, r.Version)
	switch r.Op {
	case "<<":
		return c < 0
	case "<=":
		return c <= 0
	case "=":
		return c == 0
	case ">=":
		return c >= 0
	default:
		return c > 0
	}
}

// Clause is a list of alternatives: a | b.
type Clause []Relation

func (c Clause) String() string {
	s := make([]string, len(c))
	for i, r := range c {
		s[i] = r.String()
	}
	return strings.Join(s, " | ")
}

// ParseRelations reads the value of a relation field of a binary package. An
// empty value has no clauses. Architecture lists ([amd64]) and build profiles
// (<!nocheck>), which only source packages have, are errors.
func ParseRelations(s string) ([]Clause, error) {
	if strings.TrimSpace(s) == "" {
		return nil, nil
	}
	clauses := make([]Clause, 0, 1+strings.Count(s, ","))
	for part := range strings.SplitSeq(s, ",") {
		clause := make(Clause, 0, 1+strings.Count(part, "|"))
		for alt := range strings.SplitSeq(part, "|") {
			r, err := parseRelation(alt)
			if err != nil {
				return nil, err
			}
			clause = append(clause, r)
		}
		clauses = append(clauses, clause)
	}
	return clauses, nil
}

const space = " \t\n"

func parseRelation(s string) (Relation, error) {
	s = strings.Trim(s, space)
	var r Relation
	end := strings.IndexAny(s, "("+space)
	if end < 0 {
		end = len(s)
	}
	name, rest := s[:end], strings.TrimLeft(s[end:], space)
	r.Name = name
	if i := strings.IndexByte(name, ':'); i >= 0 {
		r.Name, r.Arch = name[:i], name[i+1:]
		if !validName(r.Arch) {
			return r, fmt.Errorf("relation %.60q: not an architecture: %.40q", s, r.Arch)
		}
	}
	if !validName(r.Name) {
		return r, fmt.Errorf("relation %.60q: not a package name: %.40q", s, r.Name)
	}
	if rest == "" {
		return r, nil
	}
	if rest[0] != '(' || rest[len(rest)-1] != ')' {
		return r, fmt.Errorf("relation %.60q: cannot read %.40q", s, rest)
	}
	inner := strings.Trim(rest[1:len(rest)-1], space)
	n := len(inner) - len(strings.TrimLeft(inner, "<=>"))
	r.Op, r.Version = inner[:n], strings.TrimLeft(inner[n:], space)
	switch r.Op {
	case "<<", "<=", "=", ">=", ">>":
	case "<", ">":
		// Before 1996 they meant what <= and >= mean now, and dpkg still
		// reads them so.
		r.Op += "="
	default:
		return r, fmt.Errorf("relation %.60q: not a comparison: %.40q", s, inner)
	}
	if err := CheckVersion(r.Version); err != nil {
		return r, fmt.Errorf("relation %.60q: %w", s, err)
	}
	return r, nil
}

// validName is what dpkg accepts as the name of a package: letters, digits and
// + - . after a letter or digit.
func validName(s string) bool {
	return s != "" && (isDigit(s[0]) || isLetter(s[0])) && onlyAlphanumeric(s, "+-.")
}

package lock

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Print writes one line a change for people, each beginning with the name of
// the definition: "golang: libc6 2.41-12 → 2.41-12+deb13u1 (trixie-security)".
func Print(w io.Writer, name string, changes []Change) error {
	for _, c := range changes {
		if _, err := fmt.Fprintf(w, "%s: %s\n", name, c); err != nil {
			return err
		}
	}
	return nil
}

// String is the change in words.
func (c Change) String() string {
	var b strings.Builder
	switch {
	case c.Kind == ChangeDefinition:
		b.WriteString("the definition has changed")
		return b.String()
	case c.Kind == ChangePackage, c.Kind == ChangeVersion:
		b.WriteString(c.Name)
	default:
		b.WriteString(c.Kind + " " + c.Name)
	}
	switch {
	case c.From == "":
		b.WriteString(" " + c.To + " is new")
	case c.To == "":
		b.WriteString(" " + c.From + " is gone")
	default:
		b.WriteString(" " + c.From + " → " + c.To)
	}
	if c.Origin != "" {
		b.WriteString(" (" + c.Origin + ")")
	}
	if len(c.Images) > 0 && !c.Everywhere {
		b.WriteString(" in " + strings.Join(c.Images, ", "))
	}
	return b.String()
}

func archives(l *Lock) map[string]string {
	m := map[string]string{}
	for _, a := range l.Archives {
		m[a.Name+" "+a.Suite] = "signed by " + strings.Join(a.SignedBy, ", ")
	}
	return m
}

// scripts returns the texts of each audited script, by their hashes.
func scripts(l *Lock) map[string]string {
	m := map[string]string{}
	for _, s := range l.Scripts {
		key := s.Package + " " + s.Script
		m[key] = strings.TrimPrefix(m[key]+" "+s.SHA256[:min(12, len(s.SHA256))], " ")
	}
	return m
}

// compare returns the differences between two tables.
func compare(kind string, was, is map[string]string) []Change {
	var changes []Change
	for _, name := range slices.Sorted(maps.Keys(union(was, is))) {
		if was[name] != is[name] {
			changes = append(changes, Change{Kind: kind, Name: name, From: was[name], To: is[name]})
		}
	}
	return changes
}

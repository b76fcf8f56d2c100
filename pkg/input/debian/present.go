package debian

import (
	"cmp"
	"slices"
)

// matches says whether a package of that very name is what rel asks for.
func (r *resolver) matches(rel Relation, rec *record) bool {
	return rec.Name == rel.Name && r.qualified(rel, rec) && rel.Accepts(rec.Version)
}

// matchesProvided is matches for a name that p provides. A relation with a
// version is satisfied by a provided version only (Policy 7.5).
func (r *resolver) matchesProvided(rel Relation, p provider) bool {
	if !r.qualified(rel, p.rec) {
		return false
	}
	return rel.Op == "" || p.version != "" && rel.Accepts(p.version)
}

// qualified reads a qualifier: name:any is satisfied only by packages that
// declare Multi-Arch: allowed, other architectures than ours by none.
func (r *resolver) qualified(rel Relation, rec *record) bool {
	switch rel.Arch {
	case "", "native", r.a.arch:
		return true
	case "any":
		return rec.multiArch == "allowed"
	}
	return false
}

// satisfied says whether what is present satisfies rel.
func (r *resolver) satisfied(rel Relation) bool {
	if rec := r.present[rel.Name]; rec != nil && r.matches(rel, rec) {
		return true
	}
	return slices.ContainsFunc(r.provided[rel.Name], func(p provider) bool { return r.matchesProvided(rel, p) })
}

// solutions are the packages that could satisfy a clause, in apt's order: by
// alternative; the package of that name before those that provide it;
// essential ones; by priority; by name.
func (r *resolver) solutions(c Clause) []*record {
	var all []*record
	for _, rel := range c {
		var some []*record
		if rec := r.a.candidate(rel.Name); rec != nil && r.matches(rel, rec) {
			some = append(some, rec)
		}
		for _, p := range r.a.providers[rel.Name] {
			if r.matchesProvided(rel, p) {
				some = append(some, p.rec)
			}
		}
		slices.SortStableFunc(some, func(x, y *record) int {
			return cmp.Or(
				first(x.Name == rel.Name, y.Name == rel.Name),
				first(x.Essential, y.Essential),
				cmp.Compare(priority(x.Priority), priority(y.Priority)),
				cmp.Compare(x.Name, y.Name),
			)
		})
		for _, rec := range some {
			if r.present[rec.Name] == nil && !slices.Contains(all, rec) {
				all = append(all, rec)
			}
		}
	}
	slices.SortStableFunc(all, func(x, y *record) int { return first(!r.avoid[x], !r.avoid[y]) })
	return all
}

// first sorts true before false.
func first(x, y bool) int {
	switch {
	case x == y:
		return 0
	case x:
		return -1
	}
	return 1
}

// priority orders the archive's priorities (Policy 2.5), unknown ones last.
func priority(s string) int {
	if i := slices.Index([]string{"required", "important", "standard", "optional"}, s); i >= 0 {
		return i
	}
	return 4
}

// add notes what rec brings: its name, what it provides and what it refuses.
func (r *resolver) add(rec *record) error {
	r.present[rec.Name] = rec
	err := rec.eachProvided(func(name, version string) {
		r.provided[name] = append(r.provided[name], provider{rec, version})
	})
	if err != nil {
		return err
	}
	return r.eachNegative(rec, func(n negative) bool {
		r.negative[n.rel.Name] = append(r.negative[n.rel.Name], n)
		return true
	})
}

// remove takes back add.
func (r *resolver) remove(rec *record) {
	delete(r.present, rec.Name)
	// add has parsed both fields, so they can be parsed.
	_ = rec.eachProvided(func(name, _ string) {
		r.provided[name] = slices.DeleteFunc(r.provided[name], func(p provider) bool { return p.rec == rec })
	})
	_ = r.eachNegative(rec, func(n negative) bool {
		r.negative[n.rel.Name] = slices.DeleteFunc(r.negative[n.rel.Name], func(n negative) bool { return n.by == rec })
		return true
	})
}

// eachNegative yields the Conflicts and Breaks of rec.
func (r *resolver) eachNegative(rec *record, yield func(negative) bool) error {
	for _, field := range []string{"Conflicts", "Breaks"} {
		clauses, err := rec.relations(field)
		if err != nil {
			return err
		}
		for _, c := range clauses {
			for _, rel := range c {
				if !yield(negative{by: rec, field: field, rel: rel}) {
					return nil
				}
			}
		}
	}
	return nil
}

// conflict returns an error where rec and something present exclude each
// other. A package never conflicts with itself, even if it provides what it
// conflicts with (Policy 7.4).
func (r *resolver) conflict(rec *record) error {
	refuse := func(n negative, other *record) error {
		before := other
		if before == rec {
			before = n.by
		}
		return &ConflictError{
			Package: n.by.String(), Other: other.String(), Field: n.field, Relation: n.rel.String(),
			Chain: r.chain(n.by), OtherChain: r.chain(other), optional: r.choice(before),
		}
	}
	// What is present refuses rec, or a name that it provides.
	for _, n := range r.negative[rec.Name] {
		if n.by != rec && r.hits(n.rel, rec) {
			return refuse(n, rec)
		}
	}
	var found error
	err := rec.eachProvided(func(name, version string) {
		for _, n := range r.negative[name] {
			if found == nil && n.by != rec && r.matchesProvided(anyArch(n.rel), provider{rec, version}) {
				found = refuse(n, rec)
			}
		}
	})
	if err = cmp.Or(err, found); err != nil {
		return err
	}
	// rec refuses something present, or a name that it provides.
	err = r.eachNegative(rec, func(n negative) bool {
		if other := r.present[n.rel.Name]; other != nil && other != rec && r.hits(n.rel, other) {
			found = refuse(n, other)
			return false
		}
		for _, p := range r.provided[n.rel.Name] {
			if p.rec != rec && r.matchesProvided(anyArch(n.rel), p) {
				found = refuse(n, p.rec)
				return false
			}
		}
		return true
	})
	return cmp.Or(err, found)
}

// hits is matches for Conflicts and Breaks.
func (r *resolver) hits(rel Relation, rec *record) bool { return r.matches(anyArch(rel), rec) }

// anyArch drops :any, which in a negative relation means every architecture
// and asks nothing of the other package.
func anyArch(rel Relation) Relation {
	if rel.Arch == "any" {
		rel.Arch = ""
	}
	return rel
}

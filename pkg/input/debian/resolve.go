package debian

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Request says which packages are wanted.
type Request struct {
	// Essential adds every essential package of the architecture.
	Essential bool
	// Packages are names; the order matters where dependencies have
	// alternatives, as it does for apt.
	Packages []string
	// NoDependencies takes the packages alone.
	NoDependencies bool
	// Installed are the packages of lower layers: they satisfy dependencies,
	// are not part of the result, and cannot be replaced.
	Installed []Selected
}

// Resolve returns the packages that `apt-get install --no-install-recommends`
// would, each in its newest version, in an order to unpack them: dependencies
// before their dependants, pre-dependencies always, cycles broken by name. The
// same archive and request give the same result.
//
// Errors are *MissingError, *DependencyError or *ConflictError.
func (a *Archive) Resolve(req Request) ([]Selected, error) {
	var earliest error
	avoid := map[*record]bool{}
	for range maxRestarts {
		chosen, err := a.attempt(req, avoid)
		if err == nil {
			return unpackOrder(chosen)
		}
		if earliest == nil {
			earliest = err
		}
		// An alternative that was taken early can stand in the way of what is
		// needed later. Then all begins again without it, where there are
		// others. apt changes its mind in such cases too.
		var c *ConflictError
		if !errors.As(err, &c) || c.optional == nil || avoid[c.optional] {
			break
		}
		avoid[c.optional] = true
	}
	return nil, earliest
}

// attempt is one run from the start.
func (a *Archive) attempt(req Request, avoid map[*record]bool) ([]*record, error) {
	r := &resolver{
		a:              a,
		noDependencies: req.NoDependencies,
		avoid:          avoid,
		installed:      map[string]*record{},
		present:        map[string]*record{},
		provided:       map[string][]provider{},
		negative:       map[string][]negative{},
		why:            map[*record]*record{},
		optional:       map[*record]bool{},
	}
	for _, s := range req.Installed {
		rec := a.find(s)
		r.installed[rec.Name] = rec
		if err := r.add(rec); err != nil {
			return nil, err
		}
	}
	var wanted []*record
	if req.Essential {
		for _, name := range slices.Sorted(maps.Keys(a.byName)) {
			if rec := a.candidate(name); rec.Essential {
				wanted = append(wanted, rec)
			}
		}
	}
	for _, name := range req.Packages {
		rec, err := r.named(name)
		if err != nil {
			return nil, err
		}
		wanted = append(wanted, rec)
	}
	return r.resolve(wanted)
}

// find returns the record of a package that was selected before; one that the
// archive no longer has is taken as it stands, without relations.
func (a *Archive) find(s Selected) *record {
	for _, rec := range a.byName[s.Name] {
		if rec.Version == s.Version {
			return rec
		}
	}
	return &record{Selected: s}
}

// maxSteps ends a search that tries alternatives in vain. Real requests take as
// many steps as they have packages (a desktop: 2,000), and a handful more.
const maxSteps = 20_000

// maxRestarts bounds how many early alternatives are given up for later needs.
const maxRestarts = 20

// resolver is one run: the packages present so far, and the way back.
type resolver struct {
	a              *Archive
	noDependencies bool
	avoid          map[*record]bool // alternatives to take only where there is no other
	installed      map[string]*record
	present        map[string]*record    // installed and chosen, by name
	provided       map[string][]provider // by what is present
	negative       map[string][]negative // Conflicts and Breaks of what is present, by target
	trail          []*record             // what was chosen, in order
	why            map[*record]*record   // who wanted it first; absent when asked for
	optional       map[*record]bool      // chosen where there were others
	steps          int
}

// negative is a Conflicts or Breaks of one package.
type negative struct {
	by    *record
	field string
	rel   Relation
}

// named finds a package that was asked for. A virtual package stands for its
// provider, where it has just one.
func (r *resolver) named(name string) (*record, error) {
	if rec := r.installed[name]; rec != nil {
		return rec, nil
	}
	if rec := r.a.candidate(name); rec != nil {
		return rec, nil
	}
	if p := r.a.providers[name]; len(p) == 1 {
		return p[0].rec, nil
	}
	return nil, r.a.missing(name)
}

// resolve chooses all that is wanted before any dependency is looked at, so
// that alternatives are satisfied by it; then it goes depth first, as apt does.
func (r *resolver) resolve(wanted []*record) ([]*record, error) {
	var ask []*record
	for _, rec := range wanted {
		if r.present[rec.Name] != nil {
			continue
		}
		if err := r.choose(rec, nil); err != nil {
			return nil, err
		}
		ask = append(ask, rec)
	}
	if r.noDependencies {
		return r.trail, nil
	}
	for _, rec := range ask {
		if err := r.dependencies(rec); err != nil {
			return nil, err
		}
	}
	return r.trail, nil
}

// choose makes rec present, unless it conflicts with what is.
func (r *resolver) choose(rec, by *record) error {
	if r.steps++; r.steps > maxSteps {
		return fmt.Errorf("resolving %s: no solution found in %d steps", rec, maxSteps)
	}
	if by != nil {
		r.why[rec] = by
	} else {
		delete(r.why, rec)
	}
	if err := r.conflict(rec); err != nil {
		return err
	}
	r.trail = append(r.trail, rec)
	return r.add(rec)
}

// dependencies makes what rec depends on present too.
func (r *resolver) dependencies(rec *record) error {
	for _, field := range []string{"Pre-Depends", "Depends"} {
		clauses, err := rec.relations(field)
		if err != nil {
			return err
		}
		for _, c := range clauses {
			if slices.ContainsFunc(c, r.satisfied) {
				continue
			}
			if err := r.satisfy(rec, field, c); err != nil {
				return err
			}
		}
	}
	return nil
}

// satisfy tries the possible solutions of a clause in order. A solution that
// fails, itself or anywhere below it, is undone before the next is tried.
func (r *resolver) satisfy(rec *record, field string, c Clause) error {
	var first error
	solutions := r.solutions(c)
	for _, solution := range solutions {
		mark := len(r.trail)
		r.optional[solution] = len(solutions) > 1
		err := r.choose(solution, rec)
		if err == nil {
			err = r.dependencies(solution)
		}
		if err == nil {
			return nil
		}
		r.undo(mark)
		if first == nil {
			first = err
		}
	}
	if first != nil && len(c) == 1 {
		// The error below says it all, with the chain that leads there.
		return first
	}
	e := &DependencyError{Chain: r.chain(rec), Field: field, Clause: c.String(), Err: first}
	for _, rel := range c {
		e.Reasons = append(e.Reasons, r.reason(rel))
	}
	if first != nil {
		e.Reasons = append(e.Reasons, first.Error())
	}
	return e
}

// undo takes back what was chosen after the trail had n packages.
func (r *resolver) undo(n int) {
	for len(r.trail) > n {
		rec := r.trail[len(r.trail)-1]
		r.trail = r.trail[:len(r.trail)-1]
		r.remove(rec)
		delete(r.why, rec)
	}
}

// reason says why an alternative cannot be had.
func (r *resolver) reason(rel Relation) string {
	have := r.installed[rel.Name]
	c := r.a.candidate(rel.Name)
	switch {
	case have != nil && !r.matches(rel, have):
		return fmt.Sprintf("a lower layer has %s; add the newer one to that layer", have)
	case c == nil && len(r.a.providers[rel.Name]) == 0:
		return fmt.Sprintf("there is no package %s in %s", rel.Name, strings.Join(r.a.suites, ", "))
	case c == nil:
		var names []string
		for _, p := range r.a.providers[rel.Name] {
			names = append(names, strings.TrimSpace(p.rec.Name+" "+p.version))
		}
		return fmt.Sprintf("%s is virtual and none of its providers will do: %s", rel.Name, strings.Join(names, ", "))
	case !rel.Accepts(c.Version):
		return fmt.Sprintf("the newest %s is %s", rel.Name, c.Version)
	case !r.matches(rel, c):
		return fmt.Sprintf("%s is not for that architecture (Multi-Arch: %s)", c, c.multiArch)
	}
	return c.String() + " cannot be installed"
}

// chain leads from a package that was asked for to rec.
func (r *resolver) chain(rec *record) []string {
	var names []string
	for ; rec != nil; rec = r.why[rec] {
		names = append(names, rec.String())
	}
	slices.Reverse(names)
	return names
}

// choice returns the last package on the way to rec that could have been
// another one, nil where there is none.
func (r *resolver) choice(rec *record) *record {
	for ; rec != nil; rec = r.why[rec] {
		if r.optional[rec] && r.why[rec] != nil {
			return rec
		}
	}
	return nil
}

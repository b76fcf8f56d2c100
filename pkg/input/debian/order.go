package debian

import (
	"cmp"
	"slices"
)

// node is a package in the graph that unpackOrder walks.
type node struct {
	rec        *record
	after      []*node // what it depends on, pre-dependencies first
	pre        map[*node]bool
	index, low int // of Tarjan's algorithm; index 0 is not visited
	onStack    bool
	done       bool
}

// unpackOrder sorts packages so that each comes after what it depends on. The
// walk begins with essential packages, then goes by priority and name, so that
// libc6 and its like come early. Cycles are opened where the fewest
// dependencies are still missing, never at a Pre-Depends.
func unpackOrder(recs []*record) ([]Selected, error) {
	nodes, err := graph(recs)
	if err != nil {
		return nil, err
	}
	w := walk{out: make([]Selected, 0, len(nodes))}
	for _, n := range nodes {
		if n.index == 0 {
			w.visit(n)
		}
	}
	return w.out, nil
}

// graph makes the nodes, by rank, and their edges.
func graph(recs []*record) ([]*node, error) {
	nodes := make([]*node, 0, len(recs))
	byName := map[string][]*node{} // by name and by what is provided
	r := resolver{a: &Archive{}}
	for _, rec := range recs {
		n := &node{rec: rec, pre: map[*node]bool{}}
		nodes = append(nodes, n)
	}
	slices.SortFunc(nodes, rank)
	for _, n := range nodes {
		byName[n.rec.Name] = append([]*node{n}, byName[n.rec.Name]...)
		if err := n.rec.eachProvided(func(name, _ string) { byName[name] = append(byName[name], n) }); err != nil {
			return nil, err
		}
	}
	for _, n := range nodes {
		for _, field := range []string{"Pre-Depends", "Depends"} {
			clauses, err := n.rec.relations(field)
			if err != nil {
				return nil, err
			}
			for _, c := range clauses {
				if d := r.satisfier(c, byName); d != nil && d != n && !slices.Contains(n.after, d) {
					n.after = append(n.after, d)
					n.pre[d] = field == "Pre-Depends"
				}
			}
		}
	}
	return nodes, nil
}

// satisfier returns the first package that satisfies the clause, nil where it
// is not among them (a lower layer has it, or dependencies are not wanted).
func (r *resolver) satisfier(c Clause, byName map[string][]*node) *node {
	for _, rel := range c {
		rel.Arch = "" // that it fits was seen when it was chosen
		for _, n := range byName[rel.Name] {
			if r.matches(rel, n.rec) {
				return n
			}
			var ok bool
			// graph has parsed the field before.
			_ = n.rec.eachProvided(func(name, version string) {
				ok = ok || name == rel.Name && r.matchesProvided(rel, provider{n.rec, version})
			})
			if ok {
				return n
			}
		}
	}
	return nil
}

func rank(x, y *node) int {
	return cmp.Or(
		first(x.rec.Essential, y.rec.Essential),
		cmp.Compare(priority(x.rec.Priority), priority(y.rec.Priority)),
		cmp.Compare(x.rec.Name, y.rec.Name),
	)
}

// walk is Tarjan's algorithm: it finds the cycles, each after everything that
// it depends on.
type walk struct {
	next  int
	stack []*node
	out   []Selected
}

func (w *walk) visit(n *node) {
	w.next++
	n.index, n.low, n.onStack = w.next, w.next, true
	w.stack = append(w.stack, n)
	for _, d := range n.after {
		switch {
		case d.index == 0:
			w.visit(d)
			n.low = min(n.low, d.low)
		case d.onStack:
			n.low = min(n.low, d.index)
		}
	}
	if n.low != n.index {
		return
	}
	i := slices.Index(w.stack, n)
	cycle := slices.Clone(w.stack[i:])
	w.stack = w.stack[:i]
	for _, m := range cycle {
		m.onStack = false
	}
	w.emit(cycle)
}

// emit puts out the members of one cycle, mostly just one.
func (w *walk) emit(cycle []*node) {
	slices.SortFunc(cycle, rank)
	for len(cycle) > 0 {
		best, bestCost := 0, 0
		for i, n := range cycle {
			cost := 0
			for _, d := range n.after {
				switch {
				case d.done:
				case n.pre[d]:
					cost += len(cycle) * len(cycle)
				default:
					cost++
				}
			}
			if i == 0 || cost < bestCost {
				best, bestCost = i, cost
			}
		}
		cycle[best].done = true
		w.out = append(w.out, cycle[best].rec.Selected)
		cycle = slices.Delete(cycle, best, best+1)
	}
}

package debian

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/agnivade/levenshtein"

	"github.com/imgbuild/imgbuild/internal/lazyregexp"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// Archive is all packages of a release for one architecture: of the suite
// itself, its updates and its security archive. It does not change, and is safe
// for concurrent use.
type Archive struct {
	arch     string
	archives []lock.Archive
	suites   []string
	// byName has every version of each package, the newest first.
	byName map[string][]*record
	// providers has who provides a name besides the package of that name.
	providers map[string][]provider
}

// provider is a package that provides a name, in a version or in none ("").
type provider struct {
	rec     *record
	version string
}

var suiteName = lazyregexp.New(`^[a-z][a-z0-9-]*$`)

// Open reads suite (a codename: trixie), its -updates and its -security suite,
// component main, for one architecture of Debian (amd64, arm64). Everything is
// verified against the embedded keys; a suite that is not the one asked for or
// has gone stale is an error.
func Open(ctx context.Context, src Source, st *store.Store, suite, arch string) (*Archive, error) {
	keys, err := keyring()
	if err != nil {
		return nil, err
	}
	r := &reader{src: src, st: st, keys: keys, now: time.Now()}
	return r.open(ctx, suite, arch)
}

func (r *reader) open(ctx context.Context, suite, arch string) (*Archive, error) {
	if !suiteName().MatchString(suite) || !suiteName().MatchString(arch) {
		return nil, fmt.Errorf("not a Debian suite and architecture: %q, %q", suite, arch)
	}
	refs := []suiteRef{{"debian", suite}, {"debian", suite + "-updates"}, {"debian-security", suite + "-security"}}
	read := make([][]*record, len(refs))
	a := &Archive{arch: arch, archives: make([]lock.Archive, len(refs)), byName: map[string][]*record{}}
	g, ctx := errgroup.WithContext(ctx)
	for i, ref := range refs {
		a.suites = append(a.suites, ref.suite)
		g.Go(func() error {
			rel, err := r.release(ctx, ref, arch)
			if err != nil {
				return err
			}
			a.archives[i] = lock.Archive{Name: ref.archive, Suite: ref.suite, SignedBy: rel.signedBy}
			read[i], err = r.packages(ctx, ref, rel, arch)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	slices.SortFunc(a.archives, func(x, y lock.Archive) int {
		return cmp.Or(strings.Compare(x.Name, y.Name), strings.Compare(x.Suite, y.Suite))
	})
	for _, recs := range read {
		for _, rec := range recs {
			a.byName[rec.Name] = append(a.byName[rec.Name], rec)
		}
	}
	return a, a.index()
}

// index sorts the versions and finds who provides what.
func (a *Archive) index() error {
	for _, versions := range a.byName {
		// Stable: of two equal versions the one of the suite read first wins,
		// as with apt the source listed first does.
		slices.SortStableFunc(versions, func(x, y *record) int { return CompareVersions(y.Version, x.Version) })
	}
	a.providers = map[string][]provider{}
	for _, name := range slices.Sorted(maps.Keys(a.byName)) {
		rec := a.byName[name][0]
		err := rec.eachProvided(func(name, version string) {
			a.providers[name] = append(a.providers[name], provider{rec, version})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// eachProvided yields what Provides declares. Provides other than "name" and
// "name (= version)" mean nothing, for dpkg as for apt.
func (r *record) eachProvided(yield func(name, version string)) error {
	if r.provides == "" {
		return nil
	}
	clauses, err := r.relations("Provides")
	if err != nil {
		return err
	}
	for _, c := range clauses {
		for _, rel := range c {
			if rel.Op == "" || rel.Op == "=" {
				yield(rel.Name, rel.Version)
			}
		}
	}
	return nil
}

// Arch is the architecture's name in Debian.
func (a *Archive) Arch() string { return a.arch }

// Archives returns the suites that were read and who signed them, as a lock
// records them, sorted by archive and suite.
func (a *Archive) Archives() []lock.Archive { return slices.Clone(a.archives) }

// Version returns the newest version of a package.
func (a *Archive) Version(name string) (string, bool) {
	if c := a.candidate(name); c != nil {
		return c.Version, true
	}
	return "", false
}

// candidate is the version that apt would install: all suites have the same
// pin priority, so the highest.
func (a *Archive) candidate(name string) *record {
	if v := a.byName[name]; len(v) > 0 {
		return v[0]
	}
	return nil
}

// missing explains that a package is not there.
func (a *Archive) missing(name string) error {
	e := &MissingError{Package: name, Arch: a.arch, Suites: a.suites}
	for _, p := range a.providers[name] {
		e.Providers = append(e.Providers, p.rec.Name)
	}
	if len(e.Providers) == 0 {
		e.Near = a.near(name)
	}
	return e
}

// near returns up to three names that differ from name in few letters.
func (a *Archive) near(name string) []string {
	type hit struct {
		name                       string
		distance, common, priority int
	}
	most := max(2, len(name)/3)
	var hits []hit
	for n := range a.byName {
		if d := len(n) - len(name); d > most || -d > most {
			continue
		}
		if d := levenshtein.ComputeDistance(name, n); d <= most {
			most = d // only the nearest are worth a word
			hits = append(hits, hit{n, d, commonPrefix(n, name), priority(a.candidate(n).Priority)})
		}
	}
	slices.SortFunc(hits, func(x, y hit) int {
		return cmp.Or(
			cmp.Compare(x.distance, y.distance),
			cmp.Compare(y.common, x.common),
			cmp.Compare(x.priority, y.priority),
			strings.Compare(x.name, y.name),
		)
	})
	var names []string
	for _, h := range hits[:min(3, len(hits))] {
		if h.distance == hits[0].distance {
			names = append(names, h.name)
		}
	}
	return names
}

func commonPrefix(x, y string) int {
	n := 0
	for n < min(len(x), len(y)) && x[n] == y[n] {
		n++
	}
	return n
}

// Package mirror says where each package archive's files come from. A lock
// holds paths only; the host is this machine's affair. For each archive the
// first of these that knows a place wins:
//
//  1. a flag (--mirror debian=URL) or an IMGBUILD_* variable
//  2. imgbuild.yaml in the working directory
//  3. this machine's own clients: apt's sources, npm's and Go's configuration
//  4. Alibaba Cloud's public mirrors
//
// The look-up is lazy and made once an archive, since asking npm takes longer
// than a build that finds everything in the store.
package mirror

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Names of archives, as in lock.Input.Archive.
const (
	Debian         = "debian"
	DebianSecurity = "debian-security"
	Go             = "go"
	NPM            = "npm"
)

// Archives returns the names of all archives.
func Archives() []string { return []string{Debian, DebianSecurity, Go, NPM} }

// Options says what New goes by.
type Options struct {
	// Flags are the values of --mirror: archive name to URL, or to several
	// separated by commas.
	Flags map[string]string
	// Bundles are the values of --bundle.
	Bundles []string
	// File is the configuration file, which then must exist. Empty means
	// imgbuild.yaml in the working directory, if there is one.
	File string
	// Environ is the environment, NAME=value; nil for this process's own.
	Environ []string

	// machine is where clients are asked; tests set their own.
	machine *machine
}

// Mirrors knows the places of each archive. It is safe for concurrent use.
type Mirrors struct {
	machine  *machine
	explicit map[string][]Base
	bundles  []Bundle
	lookup   map[string]func(context.Context) ([]Base, error)
	asked    map[string]*answer
}

// answer is what the look-up of one archive gave.
type answer struct {
	mu    sync.Mutex
	bases []Base
}

// New reads flags, variables and the configuration file; clients are asked
// later, when Bases first needs to know. An error names the flag, the variable
// or the file's line that is wrong.
func New(o Options) (*Mirrors, error) {
	if o.machine == nil {
		o.machine = thisMachine()
		if o.Environ != nil {
			o.machine.environ = o.Environ
		}
	}
	named, bundles, err := explicit(o, o.machine)
	if err != nil {
		return nil, err
	}
	m := on(o.machine)
	m.explicit, m.bundles = named, bundles
	return m, nil
}

// In returns the same, but for clients that look for their settings in dir in
// place of the working directory.
func (m *Mirrors) In(dir string) *Mirrors {
	in := on(m.machine.in(dir))
	in.explicit, in.bundles = m.explicit, m.bundles
	return in
}

// on asks the clients of a machine.
func on(machine *machine) *Mirrors {
	m := &Mirrors{machine: machine, asked: map[string]*answer{}}
	for _, a := range Archives() {
		m.asked[a] = new(answer)
	}
	m.lookup = map[string]func(context.Context) ([]Base, error){
		Debian:         func(context.Context) ([]Base, error) { return m.machine.apt(Debian), nil },
		DebianSecurity: func(context.Context) ([]Base, error) { return m.machine.apt(DebianSecurity), nil },
		Go:             m.machine.goproxy,
		NPM:            m.machine.npm,
	}
	return m
}

// Bases returns the places of an archive, at least one, the preferred first.
// It fails for an unknown archive and where ctx ends during the look-up.
func (m *Mirrors) Bases(ctx context.Context, archive string) ([]Base, error) {
	a, ok := m.asked[archive]
	if !ok {
		return nil, unknownArchive(archive)
	}
	if b := m.explicit[archive]; b != nil {
		return b, nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.bases != nil {
		return a.bases, nil
	}
	b, err := m.lookup[archive](ctx)
	if cause := context.Cause(ctx); cause != nil {
		err = cause // an answer cut short must not be remembered
	}
	if err != nil {
		return nil, fmt.Errorf("finding the mirror of %s: %w", archive, err)
	}
	if len(b) == 0 {
		b = []Base{public(archive)}
	}
	a.bases = b
	return b, nil
}

// URLs returns where the file with that path of the archive may be, the
// preferred first. Credentials are not in them; see Base.Authorize.
func (m *Mirrors) URLs(ctx context.Context, archive, path string) ([]string, error) {
	bases, err := m.Bases(ctx, archive)
	if err != nil {
		return nil, err
	}
	urls := make([]string, len(bases))
	for i, b := range bases {
		if urls[i], err = b.Join(path); err != nil {
			return nil, err
		}
	}
	return urls, nil
}

func unknownArchive(name string) error {
	return fmt.Errorf("unknown archive %q; there are %s", name, strings.Join(Archives(), ", "))
}

func known(archive string) bool { return slices.Contains(Archives(), archive) }

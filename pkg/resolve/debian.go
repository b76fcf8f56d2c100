package resolve

import (
	"context"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/assemble"
	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/input/debian"
	"github.com/imgbuild/imgbuild/pkg/lock"
)

// debianArchive is one suite for one architecture, and what was selected from it.
type debianArchive struct {
	*debian.Archive
	selected map[string]debian.Selected // by input ID
}

// archive opens a suite for a platform, once a run.
func (r *Resolver) archive(ctx context.Context, suite, platform string) (debianArchive, error) {
	_, arch, _ := strings.Cut(platform, "/")
	return r.debian.get(suite+" "+arch, func() (debianArchive, error) {
		a, err := debian.Open(ctx, r.source, r.store, suite, arch)
		return debianArchive{Archive: a, selected: map[string]debian.Selected{}}, err
	})
}

// debianInputs resolves the packages of a debian layer on top of those below.
func (r *Resolver) debianInputs(ctx context.Context, l *definition.DebianLayer, platform string, below []assemble.Debian, c *collector) ([]lock.Input, error) {
	a, err := r.archive(ctx, l.Suite, platform)
	if err != nil {
		return nil, err
	}
	request := debian.Request{
		Essential:      l.Essential,
		Packages:       l.Packages,
		NoDependencies: l.Dependencies != nil && !*l.Dependencies,
	}
	for _, b := range below {
		for _, in := range b.Inputs {
			request.Installed = append(request.Installed, a.selected[in.ID])
		}
	}
	selected, err := a.Resolve(request)
	if err != nil {
		return nil, err
	}
	var inputs []lock.Input
	for _, s := range selected {
		in := s.Input()
		a.selected[in.ID] = s
		inputs = append(inputs, in)
	}
	for _, signed := range a.Archives() {
		c.archives[signed.Name+" "+signed.Suite] = signed
	}
	return inputs, nil
}

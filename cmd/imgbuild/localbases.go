package main

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/imgbuild/imgbuild/images"
	"github.com/imgbuild/imgbuild/pkg/address"
	"github.com/imgbuild/imgbuild/pkg/build"
	"github.com/imgbuild/imgbuild/pkg/fetch"
	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/mirror"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// When bases are taken from the definitions.
const (
	basesMissing = "missing"
	basesAlways  = "always"
)

// baseFlags say which bases a Dockerfile may take from the definitions.
type baseFlags struct {
	mode        string
	definitions []string
	registries  []string
}

func (b *baseFlags) register(f *pflag.FlagSet) {
	f.StringVar(&b.mode, "local-bases", "", "take bases that no registry has from the definitions here, a `MODE` of missing, always (without asking a registry); without MODE missing")
	f.Lookup("local-bases").NoOptDefVal = basesMissing
	f.StringArrayVar(&b.definitions, "definition", nil, "with --local-bases: `PATH` of one more definition; may be repeated")
	f.StringArrayVar(&b.registries, "base-registry", nil, "with --local-bases: `HOST`[/NAMESPACE] that has images of definitions, besides Alibaba Cloud's Container Registry and this machine; may be repeated")
}

func (b *baseFlags) complete(c *cobra.Command) {
	complete(c, "local-bases", cobra.FixedCompletions([]string{basesMissing, basesAlways}, cobra.ShellCompDirectiveNoFileComp))
	complete(c, "base-registry", cobra.NoFileCompletions)
}

// localBases are the bases of the definitions here, as package dockerfile wants
// them.
type localBases struct {
	*baseFlags
	registryNames []address.Registry
	extra         map[string]*definitionWithLock // by name

	g *global
	s *store.Store
	f *fetch.Fetcher
	m *mirror.Mirrors

	mu sync.Mutex // one is built at a time, each with all cores
}

// open reads the flags. Its errors are those of usage.
func (b *baseFlags) open(g *global) (*localBases, error) {
	l := &localBases{baseFlags: b, g: g, extra: map[string]*definitionWithLock{}}
	switch {
	case b.mode != "" && b.mode != basesMissing && b.mode != basesAlways:
		return nil, usage("--local-bases=%s: the modes are missing and always", b.mode)
	case b.mode == "" && len(b.definitions)+len(b.registries) > 0:
		return nil, usage("--definition and --base-registry belong to --local-bases; add that")
	}
	for _, s := range b.registries {
		r, err := address.Parse(s)
		if err != nil {
			return nil, usage("--base-registry: %w", err)
		}
		l.registryNames = append(l.registryNames, r)
	}
	for _, p := range b.definitions {
		d, err := loadDefinition(p)
		if err != nil {
			return nil, err
		}
		if l.extra[d.Name] != nil {
			return nil, usage("--definition %s: there are two definitions of %s", p, d.Name)
		}
		l.extra[d.Name] = d
	}
	return l, nil
}

// find returns the definition that an image's name stands for, and the tag.
func (l *localBases) find(ref string) (d *definitionWithLock, tag string) {
	r, err := address.ParseReference(ref)
	if err != nil || r.Tag == "" || r.Digest != (v1.Hash{}) || !l.ours(r.Repository) {
		return nil, ""
	}
	name := path.Base(r.Repository.Path)
	if d = l.extra[name]; d == nil && slices.Contains(images.Names(), name) {
		d, _ = loadDefinition(name)
	}
	return d, r.Tag
}

// ours says whether a repository can have images of definitions. An image called
// golang elsewhere is another one.
func (l *localBases) ours(r address.Repository) bool {
	if _, ok := address.ParseACR(r.Host); ok || address.Loopback(r.Host) {
		return true
	}
	return slices.ContainsFunc(l.registryNames, func(o address.Registry) bool {
		return strings.EqualFold(o.Host, r.Host) && (o.Namespace == "" || strings.HasPrefix(r.Path, o.Namespace+"/"))
	})
}

// Has implements dockerfile.Local.
func (l *localBases) Has(ref string) bool {
	if l.mode == "" {
		return false
	}
	d, tag := l.find(ref)
	if d == nil {
		return false
	}
	_, err := lock.Select(d.Definition, d.lock, lock.Query{Tag: tag})
	return err == nil
}

// Hint implements dockerfile.Local.
func (l *localBases) Hint(ref string) string {
	d, tag := l.find(ref)
	if d == nil {
		return ""
	}
	if _, err := lock.Select(d.Definition, d.lock, lock.Query{Tag: tag}); err != nil {
		return "the definitions here do not have it either: " + err.Error()
	}
	return "the definitions here have it: add --local-bases, or publish it with imgbuild " + d.Ref + ":" + tag + " --push"
}

// First implements dockerfile.Local.
func (l *localBases) First() bool { return l.mode == basesAlways }

// Build implements dockerfile.Local.
func (l *localBases) Build(ctx context.Context, ref string, platforms []string) (v1.Image, v1.ImageIndex, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	d, tag := l.find(ref)
	if d == nil {
		return nil, nil, fmt.Errorf("no definition has it")
	}
	selected, err := lock.Select(d.Definition, d.lock, lock.Query{Tag: tag, Platforms: platforms})
	if err != nil {
		return nil, nil, err
	}
	wanted := []wantedImage{{Selected: selected[0], definition: d}}
	var engine build.Engine
	engine, done, err := l.g.engine(ctx, l.s, l.f, l.m, layer.Gzip, wanted)
	if err != nil {
		return nil, nil, err
	}
	defer done()
	built, err := buildAll(ctx, engine, wanted)
	if err != nil {
		return nil, nil, explain(ctx, l.f, l.s, wanted, err)
	}
	return built[0].image, built[0].index, nil
}

package frontend

import (
	"context"
	"errors"
	"strings"

	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/moby/buildkit/frontend/subrequests/lint"
	"github.com/moby/buildkit/frontend/subrequests/outline"
	"github.com/moby/buildkit/frontend/subrequests/targets"
	"github.com/moby/buildkit/solver/pb"

	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/mirror"
)

// requests are what clients ask for without building, as
// docker buildx build --call does.
func (f *files) requests() dockerui.RequestHandler {
	return dockerui.RequestHandler{Outline: f.outline, ListTargets: f.targets, Lint: f.lint}
}

// targets lists the variants.
func (f *files) targets(ctx context.Context) (*targets.List, error) {
	d, err := f.definition(ctx)
	if err != nil {
		return nil, f.located(err)
	}
	list := &targets.List{Sources: [][]byte{f.source.Data}}
	for i, v := range d.Variants {
		var layers []string
		for _, l := range v.Layers {
			layers = append(layers, l.Name)
		}
		list.Targets = append(list.Targets, targets.Target{Name: v.Name, Default: i == 0, Description: "layers: " + strings.Join(layers, ", ")})
	}
	return list, nil
}

// outline lists the build arguments.
func (f *files) outline(ctx context.Context) (*outline.Outline, error) {
	d, err := f.definition(ctx)
	if err != nil {
		return nil, f.located(err)
	}
	o := &outline.Outline{Name: f.ui.Target, Description: d.Title, Sources: [][]byte{f.source.Data}}
	if o.Name == "" {
		o.Name = d.Variants[0].Name
	}
	about := map[string]string{
		argVersion: "version, as in NAME:TAG; the newest one without it",
		argResult:  "image, or oci for an OCI layout with imgbuild's own bytes",
	}
	for _, a := range mirror.Archives() {
		about[mirror.Variable(a)] = "where " + a + " is fetched from, several separated by commas"
	}
	for _, name := range arguments() {
		o.Args = append(o.Args, outline.Arg{Name: name, Description: about[name], Value: f.ui.BuildArgs[name]})
	}
	return o, nil
}

// lint says what is wrong with the definition, and whether its lock is its own.
func (f *files) lint(ctx context.Context) (*lint.LintResults, error) {
	found := &lint.LintResults{}
	at := int32(found.AddSource(f.source.SourceMap))
	add := func(rule, what string, line, column int) {
		p := &pb.Position{Line: int32(line), Character: int32(column)}
		found.Warnings = append(found.Warnings, lint.Warning{
			RuleName: rule, Detail: what,
			Location: &pb.Location{SourceIndex: at, Ranges: []*pb.Range{{Start: p, End: p}}},
		})
	}
	d, err := f.definition(ctx)
	if problems, ok := errors.AsType[definition.Problems](err); ok {
		for _, p := range problems {
			add("definition", p.What+"; "+p.Do, p.Line, p.Column)
		}
		return found, nil
	}
	if err != nil {
		return nil, err
	}
	if _, err := f.lock(ctx, d); err != nil {
		add("lock", err.Error(), 1, 1)
	}
	return found, nil
}

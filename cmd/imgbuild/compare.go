package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"

	"github.com/imgbuild/imgbuild/images"
	"github.com/imgbuild/imgbuild/pkg/build"
	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// comparison is one image in the output of compare-engines.
type comparison struct {
	Name     string `json:"name"`
	Version  string `json:"version"`
	Variant  string `json:"variant"`
	Platform string `json:"platform"`
	Native   string `json:"native"`
	BuildKit string `json:"buildkit"`
	Equal    bool   `json:"equal"`
	// Layer is the first one that differs.
	Layer string `json:"layer,omitempty"`
}

func newCompareEngines(g *global) *cobra.Command {
	e := &engineFlags{name: engineBuildKit}
	var all bool
	var platforms []string
	cmd := &cobra.Command{
		Use:   "compare-engines [NAME[:TAG]]...",
		Short: "Build with both engines and compare the digests",
		Long: `Builds images in this process and on a BuildKit daemon, which gets nothing of
what the first has made, and compares the digests. A difference is an error.
Without --platform all platforms of the images are built.`,
		Example: "  imgbuild compare-engines golang:1.27-slim\n  imgbuild compare-engines --all",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 && !all {
				return usage("no image is named; give one of %s, or --all for all of them", strings.Join(images.Names(), ", "))
			}
			return nil
		},
		ValidArgsFunction: completeImages,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := e.check(nil); err != nil {
				return err
			}
			if len(args) == 0 {
				args = images.Names()
			}
			b := buildFlags{all: all, platforms: platforms}
			return compareEngines(cmd.Context(), g, e, b, args)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "every version and variant of NAME; without NAME, of all images inside imgbuild")
	cmd.Flags().StringSliceVar(&platforms, "platform", nil, "`PLATFORM`[,PLATFORM…] to build; the default is all of them")
	e.registerBuilders(cmd.Flags())
	complete(cmd, "platform", completePlatforms)
	completeBuilders(cmd)
	return cmd
}

func compareEngines(ctx context.Context, g *global, e *engineFlags, b buildFlags, refs []string) error {
	var requests []build.Request
	var wanted []wantedImage
	for _, ref := range refs {
		w, err := b.selectImages(ref)
		if err != nil {
			return err
		}
		for _, image := range w {
			for _, p := range image.Platforms {
				requests = append(requests, build.Request{Definition: image.definition.Definition, Lock: image.definition.lock, Image: p})
			}
		}
		wanted = append(wanted, w...)
	}
	s, f, m, err := g.open()
	if err != nil {
		return err
	}
	// No layer of the one engine may be the other's: this process makes all of
	// them, and what builders make goes into a store of its own.
	dir, err := s.TempDir("compare-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	other, err := store.Open(dir)
	if err != nil {
		return err
	}
	in, err := g.inputs(ctx, s, f, m)
	if err != nil {
		return err
	}
	defer in.close()
	ours, err := newNative(s, in, layer.Gzip, g.offline, wanted, in.images...)
	if err != nil {
		return err
	}
	ours.Anew = true
	theirs, closeTheirs, err := e.buildKit(ctx, g, s, in, layer.Gzip, wanted)
	if err != nil {
		return err
	}
	defer closeTheirs()
	theirs.Store = other
	var rows []comparison
	err = g.show(ctx, func(ctx context.Context) error {
		a, err := ours.Build(ctx, requests)
		if run, ok := errors.AsType[*build.RunError](err); ok {
			return fmt.Errorf("layer %s of %s runs a command, which only BuildKit does: there is nothing to compare it with", run.Layer, run.Image)
		}
		if err != nil {
			return explain(ctx, f, s, wanted, err)
		}
		b, err := theirs.Build(ctx, requests)
		if err != nil {
			return explain(ctx, f, s, wanted, err)
		}
		rows, err = compareImages(requests, a, b)
		return err
	})
	if err != nil {
		return err
	}
	return g.printComparison(rows)
}

func compareImages(requests []build.Request, ours, theirs []v1.Image) (rows []comparison, err error) {
	for i, r := range requests {
		a, err := ours[i].Digest()
		if err != nil {
			return nil, err
		}
		b, err := theirs[i].Digest()
		if err != nil {
			return nil, err
		}
		row := comparison{
			Name: r.Definition.Name, Version: r.Image.Version, Variant: r.Image.Variant, Platform: r.Image.Platform,
			Native: a.String(), BuildKit: b.String(), Equal: a == b,
		}
		if !row.Equal {
			if row.Layer, err = differentLayer(r, ours[i], theirs[i]); err != nil {
				return nil, err
			}
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// differentLayer names the first layer in which two images differ.
func differentLayer(r build.Request, ours, theirs v1.Image) (string, error) {
	a, err := ours.Manifest()
	if err != nil {
		return "", err
	}
	b, err := theirs.Manifest()
	if err != nil {
		return "", err
	}
	for i, l := range r.Image.Layers {
		if i < len(a.Layers) && i < len(b.Layers) && a.Layers[i].Digest != b.Layers[i].Digest {
			return l.Name, nil
		}
	}
	return "none; the configuration differs", nil
}

func (g *global) printComparison(rows []comparison) error {
	different := 0
	for _, r := range rows {
		if !r.Equal {
			different++
		}
	}
	if g.json {
		if err := g.printJSON(rows); err != nil {
			return err
		}
	} else {
		for _, r := range rows {
			line := fmt.Sprintf("%s %s %s %s@%s", r.Name, r.Version, r.Variant, r.Platform, r.Native)
			if !r.Equal {
				line += fmt.Sprintf(" differs from buildkit's %s in layer %s", r.BuildKit, r.Layer)
			}
			if _, err := fmt.Fprintln(g.stdout, line); err != nil {
				return err
			}
		}
	}
	if different > 0 {
		return fmt.Errorf("%d of %d images differ between the engines", different, len(rows))
	}
	g.warn("%d images, each the same by both engines", len(rows))
	return nil
}

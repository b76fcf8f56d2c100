package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/release"
)

// planRelease prints what a release would do.
func (g *global) planRelease(ctx context.Context, work *release.Release) error {
	var plan *release.Plan
	err := g.show(ctx, func(ctx context.Context) (err error) {
		plan, err = work.Plan(ctx)
		return err
	})
	if err != nil {
		return err
	}
	if g.json {
		return errors.Join(g.printJSON(plan), unreachable(plan))
	}
	for _, img := range plan.Images {
		fmt.Fprintf(g.stdout, "%s@%s for %s", img.Name, img.Digest, strings.Join(img.Platforms, ", "))
		if len(img.Prove) > 0 {
			fmt.Fprintf(g.stdout, ", to be proven on %s", strings.Join(img.Prove, ", "))
		}
		fmt.Fprintln(g.stdout)
	}
	todo := 0
	for _, d := range plan.Destinations {
		fmt.Fprintln(g.stdout, d.Name)
		if d.Error != "" {
			fmt.Fprintf(g.stdout, "  %s\n", d.Error)
		}
		for _, i := range d.Images {
			if len(i.Attach) == 0 || len(i.Tags)+len(i.Blobs) > 0 {
				g.printImagePlan(i.ImagePlan)
			} else {
				fmt.Fprintf(g.stdout, "  %s\n", i.Reference)
			}
			todo += len(i.Tags) + len(i.Blobs) + len(i.Attach)
			for _, tag := range i.Attach {
				fmt.Fprintf(g.stdout, "    attach %9s  %s\n", "", tag)
			}
		}
	}
	if todo == 0 && unreachable(plan) == nil {
		_, err := fmt.Fprintln(g.stdout, "nothing to do")
		return err
	}
	_, err = fmt.Fprintf(g.stdout, "%d images to %d registries: %s of images to send, at least %d requests\n",
		len(plan.Images), len(plan.Destinations), megabytes(plan.Bytes), plan.Requests)
	return errors.Join(err, unreachable(plan))
}

// unreachable is an error where a destination can not be asked.
func unreachable(plan *release.Plan) error {
	var names []string
	for _, d := range plan.Destinations {
		if d.Error != "" {
			names = append(names, d.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d destinations can not be asked (%s); a release would move no tag", len(names), len(plan.Destinations), strings.Join(names, ", "))
}

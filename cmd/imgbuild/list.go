package main

import (
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/imgbuild/imgbuild/images"
	"github.com/imgbuild/imgbuild/pkg/lock"
)

// listed is one image in the output of list.
type listed struct {
	Name      string           `json:"name"`
	Version   string           `json:"version"`
	Variant   string           `json:"variant"`
	Tags      []string         `json:"tags"`
	Platforms []string         `json:"platforms"`
	Sizes     map[string]int64 `json:"sizes"` // by platform, compressed, without the shim, in bytes
}

func newList(g *global) *cobra.Command {
	return &cobra.Command{
		Use:               "list [NAME]...",
		Short:             "List images, tags, versions and sizes",
		Long:              "Lists the images inside imgbuild, or of the definitions given by their paths.\nSizes are compressed, for linux/amd64, without the shim's 2 MB.",
		Example:           "  imgbuild list\n  imgbuild list golang --json",
		ValidArgsFunction: completeNames,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = images.Names()
				// A few megabytes, and then the process ends: collecting them
				// takes longer than all else.
				debug.SetGCPercent(-1)
			}
			// Reading locks is all that this costs, so it is done side by side.
			found := make([][]listed, len(args))
			var loads errgroup.Group
			for i, ref := range args {
				loads.Go(func() (err error) {
					found[i], err = listImages(ref)
					return err
				})
			}
			if err := loads.Wait(); err != nil {
				return err
			}
			rows := slices.Concat(found...)
			if g.json {
				return g.printJSON(rows)
			}
			return g.printList(rows)
		},
	}
}

func listImages(ref string) ([]listed, error) {
	d, err := loadDefinition(ref)
	if err != nil {
		return nil, err
	}
	selected, err := lock.Select(d.Definition, d.lock, lock.Query{All: true})
	if err != nil {
		return nil, err
	}
	var rows []listed
	for _, s := range selected {
		r := listed{Name: d.Name, Version: s.Version, Variant: s.Variant.Name, Tags: s.Tags, Sizes: map[string]int64{}}
		for _, p := range s.Platforms {
			r.Platforms = append(r.Platforms, p.Platform)
			r.Sizes[p.Platform] = p.Size
		}
		rows = append(rows, r)
	}
	return rows, nil
}

func (g *global) printList(rows []listed) error {
	w := tabwriter.NewWriter(g.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "IMAGE\tVERSION\tVARIANT\tSIZE\tPLATFORMS\tTAGS")
	for _, r := range rows {
		size := r.Sizes[defaultPlatform]
		if size == 0 {
			size = r.Sizes[r.Platforms[0]]
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", r.Name, r.Version, r.Variant,
			humanize.Bytes(uint64(size)), strings.Join(r.Platforms, ","), strings.Join(r.Tags, ", "))
	}
	return w.Flush()
}

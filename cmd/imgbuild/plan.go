package main

import (
	"fmt"

	"github.com/imgbuild/imgbuild/pkg/push"
)

// planned is what --plan prints as JSON.
type planned struct {
	Destinations []push.DestinationPlan `json:"destinations"`
	Bytes        int64                  `json:"bytes"`
	Requests     int                    `json:"requests"`
}

// printPlan prints what a push would do: images by registry, with the blobs
// that are not there.
func (g *global) printPlan(plans []push.DestinationPlan) error {
	all := planned{Destinations: plans}
	images, blobs := 0, 0
	for _, d := range plans {
		for _, i := range d.Images {
			images++
			all.Requests += i.Requests
			all.Bytes += i.Bytes()
			for _, b := range i.Blobs {
				if b.Action == push.Send {
					blobs++
				}
			}
		}
	}
	if g.json {
		return g.printJSON(all)
	}
	for _, d := range plans {
		fmt.Fprintln(g.stdout, d.Name)
		for _, i := range d.Images {
			g.printImagePlan(i)
		}
	}
	_, err := fmt.Fprintf(g.stdout, "%d images to %d registries: %s in %d blobs to send, %d requests\n",
		images, len(plans), megabytes(all.Bytes), blobs, all.Requests)
	return err
}

func (g *global) printImagePlan(i push.ImagePlan) {
	fmt.Fprintf(g.stdout, "  %s\n", i.Reference)
	switch {
	case i.Refused:
		fmt.Fprintln(g.stdout, "    refused: every tag names another image and does not move; --immutable none moves them")
	case len(i.Tags) == 0 && len(i.Blobs) == 0:
		fmt.Fprintln(g.stdout, "    nothing to do")
	}
	for _, b := range i.Blobs {
		from := ""
		if b.From != "" {
			from = " from " + b.From
		}
		fmt.Fprintf(g.stdout, "    %-5s  %9s  %s %s%s\n", b.Action, megabytes(b.Size), b.Digest, b.Name, from)
	}
	for _, t := range i.Kept {
		fmt.Fprintf(g.stdout, "    kept   %9s  %s\n", "", t)
	}
	for _, t := range i.Tags {
		fmt.Fprintf(g.stdout, "    tag    %9s  %s\n", "", t)
	}
}

// megabytes are millions of bytes, as in the tables of the documentation.
func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

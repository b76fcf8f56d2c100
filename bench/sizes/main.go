// Command sizes prints the table of the images that the README has, from
// imgbuild's own output, and the limits beside it.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/imgbuild/imgbuild/bench/internal/measure"
	"github.com/imgbuild/imgbuild/bench/internal/workshop"
)

// limits are in megabytes, by image and variant.
var limits = map[string]float64{
	"golang full": 90,
	"golang slim": 5,
	"node full":   85,
	"node slim":   62,
}

// officials are the compressed sizes of images that people would take instead,
// as Docker Hub stated them in November 2026.
var officials = map[string]string{
	"golang latest": "`golang:latest` 312 MB",
	"node slim":     "`node:slim` 84.6 MB",
}

func main() { workshop.Main(bench) }

func bench(ctx context.Context, w *workshop.Workshop) error {
	s, err := w.Run(ctx, "golang", "node", "typescript", "--all", "--json")
	if err != nil {
		return err
	}
	var images []struct {
		Name, Variant string
		Tags          []string
		Size          int64
	}
	if err := json.Unmarshal(s.Stdout, &images); err != nil {
		return err
	}
	readme := measure.Table{Head: []string{"Image", "Tags", "Compressed", "Official image"}}
	limited := measure.Table{Head: []string{"Image", "Compressed", "limit", "within"}}
	for _, i := range images {
		last := i.Tags[len(i.Tags)-1]
		readme.Add(i.Name, "`"+strings.Join(i.Tags, "` `")+"`", measure.MB(i.Size), officials[i.Name+" "+last])
		if limit, ok := limits[i.Name+" "+i.Variant]; ok {
			within := "yes"
			if float64(i.Size) > limit*1e6 {
				within = "**no**"
			}
			limited.Add(i.Name+":"+i.Tags[0], measure.MB(i.Size), fmt.Sprintf("%g MB", limit), within)
		}
	}
	fmt.Print("## Sizes: linux/amd64, gzip\n\n")
	limited.Print(os.Stdout)
	fmt.Print("The README's table:\n\n")
	readme.Print(os.Stdout)
	return nil
}

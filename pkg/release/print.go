package release

import (
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/imgbuild/imgbuild/pkg/lock"
)

// PrintChanges writes what changed in an image for people, one line a change,
// each beginning with the image's name.
func PrintChanges(w io.Writer, img Image) error {
	name := img.Name + ":" + img.Tag
	if img.Changes == nil {
		_, err := fmt.Fprintf(w, "%s: new\n", name)
		return err
	}
	if err := lock.Print(w, name, img.Changes.Packages); err != nil {
		return err
	}
	for _, platform := range slices.Sorted(maps.Keys(img.Changes.Sizes)) {
		s := img.Changes.Sizes[platform]
		from, to := megabytes(s[0]), megabytes(s[1])
		if from == to {
			continue // as people see it
		}
		if _, err := fmt.Fprintf(w, "%s: %s %s → %s\n", name, platform, from, to); err != nil {
			return err
		}
	}
	return nil
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

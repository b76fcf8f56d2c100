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
		if _, err := fmt.Fprintf(w, "%s: %s %.1f MB → %.1f MB\n", name, platform, float64(s[0])/1e6, float64(s[1])/1e6); err != nil {
			return err
		}
	}
	return nil
}

package catalogue

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/release"
)

// site is a report in the form in which the pages show it, in no language yet.
type site struct {
	report *release.Report
	images []*image
}

// image is what pages show of one image.
type image struct {
	release.Image
	// File is the path of its page below the folder of a language.
	File string
	// ID is unique among the images, for anchors.
	ID string
	// Path is NAME:TAG without the registry; empty where the image is in no
	// registry.
	Path string
	// Absent and TagElsewhere are the indexes of regions, separated by spaces:
	// those that do not have the image, and those where the tag was left at
	// another digest, so that only the digest names this image.
	Absent, TagElsewhere string
	// First is the index of the first region that has it.
	First   int
	Places  []place
	Inside  []item
	Changed []change
	Grown   []size
}

// place is an image in one region.
type place struct {
	Name string
	// Public and VPC are HOST[/NAMESPACE]/NAME; VPC is empty where there is none.
	Public, VPC string
	Tag         string // :TAG
	Digest      string // @sha256:…
	// TagElsewhere: the tag names another digest here.
	TagElsewhere bool
	// Kept are all tags that were left at another digest here.
	Kept []string
}

// item is a package inside an image.
type item struct {
	Name, Version, License string
	// Short is the beginning of a License that is too long for a table, and
	// More the number of licences that it leaves out.
	Short string
	More  int
	// Platforms are those that have it, empty for all.
	Platforms []string
}

// change is a change since the release before.
type change struct {
	lock.Change
	// How is new, gone or other.
	How string
}

// size is the size of a platform's image before and now, in bytes.
type size struct {
	Platform    string
	Before, Now int64
}

func newSite(r *release.Report) (*site, error) {
	s := &site{report: r}
	files := map[string]bool{}
	for _, from := range r.Images {
		img := &image{Image: from}
		for id, n := slug(from.Name+"-"+from.Tag), 1; ; n++ {
			img.ID = id
			if n > 1 {
				img.ID += "-" + strconv.Itoa(n)
			}
			if !files[img.ID] {
				break
			}
		}
		files[img.ID] = true
		img.File = "images/" + img.ID + ".html"
		if err := img.locate(r.Regions); err != nil {
			return nil, fmt.Errorf("%s:%s: %w", from.Name, from.Tag, err)
		}
		img.Inside = inside(from.Platforms)
		img.compare()
		s.images = append(s.images, img)
	}
	return s, nil
}

// slug makes a name of a file and of an anchor from any text.
func slug(text string) string {
	name := []byte(strings.ToLower(text))
	for i, c := range name {
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '.' || c == '_' || c == '-') {
			name[i] = '-'
		}
	}
	// Names have a limit of 255 bytes; an ID begins with a letter or digit.
	return strings.Trim(string(name[:min(len(name), 200)]), ".-_")
}

// locate finds out where the image is.
func (img *image) locate(regions []release.Destination) error {
	var absent, elsewhere []string
	img.First = -1
	for i, region := range regions {
		reference, ok := img.References[region.Name]
		if !ok {
			absent = append(absent, strconv.Itoa(i))
			continue
		}
		path, ok := strings.CutPrefix(reference, region.Registry+"/")
		path, digest, pinned := strings.Cut(path, "@")
		name, tag, tagged := cutLast(path, ":")
		if !ok || !pinned || !tagged || digest != img.Digest {
			return fmt.Errorf("the reference %q in %s is not %s/NAME:TAG@%s", reference, region.Name, region.Registry, img.Digest)
		}
		if img.First < 0 {
			img.First, img.Path = i, path
		}
		if path != img.Path {
			return fmt.Errorf("it is %s in %s and %s elsewhere", path, region.Name, img.Path)
		}
		p := place{Name: region.Name, Public: region.Registry + "/" + name, Tag: ":" + tag, Digest: "@" + digest, Kept: img.Kept[region.Name]}
		if region.VPC != "" {
			p.VPC = region.VPC + "/" + name
		}
		if p.TagElsewhere = slices.Contains(p.Kept, tag); p.TagElsewhere {
			elsewhere = append(elsewhere, strconv.Itoa(i))
		}
		img.Places = append(img.Places, p)
	}
	img.Absent, img.TagElsewhere = strings.Join(absent, " "), strings.Join(elsewhere, " ")
	return nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// inside joins the packages of all platforms: most are the same in each.
func inside(platforms []release.Platform) []item {
	var items []item
	at := map[[3]string]int{}
	for _, p := range platforms {
		for _, pkg := range p.Packages {
			key := [3]string{pkg.Name, pkg.Version, pkg.License}
			i, ok := at[key]
			if !ok {
				i = len(items)
				at[key] = i
				short, more := shorten(pkg.License)
				items = append(items, item{Name: pkg.Name, Version: pkg.Version, License: pkg.License, Short: short, More: more})
			}
			if !slices.Contains(items[i].Platforms, p.Platform) {
				items[i].Platforms = append(items[i].Platforms, p.Platform)
			}
		}
	}
	for i := range items {
		if len(items[i].Platforms) == len(platforms) {
			items[i].Platforms = nil
		}
	}
	slices.SortStableFunc(items, func(a, b item) int { return strings.Compare(a.Name, b.Name) })
	return items
}

// longLicense is the length in bytes from which an expression is collapsed.
const longLicense = 70

// shorten returns the first licences of a long expression that is a list of
// many, as Debian's packages have it, and how many follow.
func shorten(license string) (short string, more int) {
	parts := terms(license)
	if len(license) < longLicense || len(parts) < 3 {
		return "", 0
	}
	n := 1
	for n < len(parts)-1 && len(strings.Join(parts[:n+1], " AND ")) < longLicense/2 {
		n++
	}
	return strings.Join(parts[:n], " AND "), len(parts) - n
}

// terms takes an SPDX expression apart at each AND that is in no parentheses.
func terms(license string) []string {
	var all []string
	for i, part := range strings.Split(license, " AND ") {
		if i > 0 {
			if last := all[len(all)-1]; strings.Count(last, "(") != strings.Count(last, ")") {
				all[len(all)-1] = last + " AND " + part
				continue
			}
		}
		all = append(all, part)
	}
	return all
}

// compare makes the changes ready to be shown.
func (img *image) compare() {
	if img.Changes == nil {
		return
	}
	for _, c := range img.Changes.Packages {
		how := ""
		switch {
		case c.From == "":
			how = "new"
		case c.To == "":
			how = "gone"
		}
		img.Changed = append(img.Changed, change{c, how})
	}
	for _, p := range slices.Sorted(maps.Keys(img.Changes.Sizes)) {
		s := img.Changes.Sizes[p]
		img.Grown = append(img.Grown, size{p, s[0], s[1]})
	}
}

// Proven counts the platforms by the status of their proof.
func (img *image) Proven(status string) int {
	n := 0
	for _, p := range img.Platforms {
		if p.Proof.Status == status {
			n++
		}
	}
	return n
}

package lock

import (
	"slices"
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/definition"
)

func selectFixture() (*definition.Definition, *Lock) {
	d := &definition.Definition{
		Name:      "golang",
		Platforms: []string{"linux/amd64", "linux/arm64"},
		Variants:  []definition.Variant{{Name: "full"}, {Name: "slim", Suffix: "-slim"}},
	}
	l := &Lock{}
	for _, v := range []string{"1.27.3", "1.26.8"} {
		for _, variant := range d.Variants {
			for _, p := range d.Platforms {
				l.Images = append(l.Images, Image{Version: v, Series: v[:4], Variant: variant.Name, Platform: p})
			}
		}
	}
	return d, l
}

func TestSelect(t *testing.T) {
	d, l := selectFixture()
	for _, c := range []struct {
		name  string
		query Query
		want  []string // version variant tag platforms
	}{
		{"nothing said", Query{}, []string{"1.27.3 full 1.27 linux/amd64,linux/arm64"}},
		{"latest slim", Query{Tag: "latest-slim"}, []string{"1.27.3 slim latest-slim linux/amd64,linux/arm64"}},
		{"slim alone", Query{Tag: "slim"}, []string{"1.27.3 slim slim linux/amd64,linux/arm64"}},
		{"older series", Query{Tag: "1.26", Platforms: []string{"linux/arm64", "linux/arm64"}}, []string{"1.26.8 full 1.26 linux/arm64"}},
		{"all", Query{All: true, Platforms: []string{"linux/amd64"}}, []string{
			"1.27.3 full 1.27 linux/amd64", "1.27.3 slim 1.27-slim linux/amd64",
			"1.26.8 full 1.26 linux/amd64", "1.26.8 slim 1.26-slim linux/amd64",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			selected, err := Select(d, l, c.query)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range selected {
				var platforms []string
				for _, img := range s.Platforms {
					if img.Version != s.Version || img.Variant != s.Variant.Name {
						t.Errorf("%s %s holds the image %+v", s.Version, s.Variant.Name, img)
					}
					platforms = append(platforms, img.Platform)
				}
				got = append(got, strings.Join([]string{s.Version, s.Variant.Name, s.Tag, strings.Join(platforms, ",")}, " "))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestSelectExplainsWhatDoesNotExist(t *testing.T) {
	d, l := selectFixture()
	for _, c := range []struct {
		query Query
		want  string
	}{
		{Query{Tag: "1.27.4"}, `golang has no tag "1.27.4"; did you mean 1.27.3`},
		{Query{Tag: "1.27-slin"}, `did you mean 1.27-slim`},
		{Query{Tag: "windowsservercore"}, `golang has no tag "windowsservercore"; it has 1.27.3, 1.27, 1, latest, 1.27.3-slim`},
		{Query{Platforms: []string{"linux/s390x"}}, `golang has no platform "linux/s390x"; it has linux/amd64, linux/arm64`},
		{Query{Tag: "1.27", All: true}, `a tag and --all exclude each other`},
	} {
		if _, err := Select(d, l, c.query); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v, want %q in it", c.query, err, c.want)
		}
	}
}

func TestSelectMissesAnImageThatTheLockLacks(t *testing.T) {
	d, l := selectFixture()
	l.Images = l.Images[:len(l.Images)-1]
	if _, err := Select(d, l, Query{All: true}); err == nil || !strings.Contains(err.Error(), "imgbuild lock golang --update") {
		t.Errorf("error %v", err)
	}
	if _, err := Select(d, &Lock{}, Query{}); err == nil || !strings.Contains(err.Error(), "has no images") {
		t.Errorf("error %v", err)
	}
}

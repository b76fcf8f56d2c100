package definition

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCompareVersionsKeepsThisOrder(t *testing.T) {
	ordered := []string{"", "1", "1.2", "1.2.0", "1.2.9", "1.2.10", "1.10", "1.027.1", "1.27.2", "3.3.8", "22.9.0", "22.18.0", "26", "noble"}
	for i, a := range ordered {
		for j, b := range ordered {
			want := 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			if got := CompareVersions(a, b); got != want {
				t.Errorf("CompareVersions(%q, %q) = %d, want %d", a, b, got, want)
			}
		}
	}
}

func TestInSeries(t *testing.T) {
	for _, c := range []struct {
		version, series string
		want            bool
	}{
		{"1.27.3", "1.27", true},
		{"1.27", "1.27", true},
		{"1.27+dfsg", "1.27", true},
		{"1.270", "1.27", false},
		{"1.27rc1", "1.27", false},
		{"1.2", "1.27", false},
		{"26.10.0", "26", true},
	} {
		if got := InSeries(c.version, c.series); got != c.want {
			t.Errorf("InSeries(%q, %q) = %v", c.version, c.series, got)
		}
	}
}

func TestTagsGiveASharedPrefixToTheNewest(t *testing.T) {
	got := Tags([]string{"1.26.9", "1.27.3", "1.26.8", "1.26.9"})
	want := map[string][]string{
		"1.27.3": {"1.27.3", "1.27", "1", "latest"},
		"1.26.9": {"1.26.9", "1.26"},
		"1.26.8": {"1.26.8"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestTagsKeepToTheGrammarOfTags(t *testing.T) {
	got := Tags([]string{"2.1+dfsg~1"})["2.1+dfsg~1"]
	if want := []string{"2.1_dfsg_1", "2", "latest"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestVariantTags(t *testing.T) {
	version := []string{"1.27.3", "1.27", "1", "latest"}
	full, slim := Variant{}, Variant{Suffix: "-slim"}
	if got := full.Tags(version); !slices.Equal(got, version) {
		t.Errorf("full: %q", got)
	}
	want := []string{"1.27.3-slim", "1.27-slim", "1-slim", "latest-slim", "slim"}
	if got := slim.Tags(version); !slices.Equal(got, want) {
		t.Errorf("slim: %q, want %q", got, want)
	}
}

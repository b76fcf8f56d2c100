package debian

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/internal/testtool"
)

// versions are all kinds of version, odd ones among them; every pair of them is
// compared.
var versions = []string{
	"0", "0~", "00", "0.0", "1", "01", "1.0", "1.00", "1.0-0", "1.0-1", "1.0-1.1", "1.0-10", "1.0-9",
	"1.0~rc1", "1.0~rc1-1", "1.0~~", "1.0~", "1.0+b1", "1.0+dfsg-1", "1.0a", "1.0aa", "1.0A", "1.0b", "1.0z", "1.0.", "1.0+", "1.0.a",
	"0:1.0", "00:1.0", "1:0.9", "2:0", "10:0", "1:1.0-1", "1:1.0:1",
	"2.41-12", "2.41-12+deb13u1", "2.41-12+deb13u10", "2.41-12+deb13u4", "2.41-12~bpo12+1",
	"20260101", "20260101120000000000000000000000001", "20260101120000000000000000000000002",
	"1.2.3-4-5", "1.2-3-4+b1", "9", "10", "1.a1", "1.a01", "1.a001b", "5.3.28+dfsg2-9", "1.3.dfsg+really1.3.1-1+b1",
}

func TestCompareVersionsAsDpkg(t *testing.T) {
	testtool.Need(t, "dpkg", "dpkg")
	// One shell compares all pairs: a process a pair, but not two.
	var in strings.Builder
	n := 0
	for i, a := range versions {
		for _, b := range versions[i:] {
			in.WriteString(a + " " + b + "\n")
			n++
		}
	}
	const script = `while read a b; do
		if dpkg --compare-versions "$a" lt "$b"; then echo lt; elif dpkg --compare-versions "$a" gt "$b"; then echo gt; else echo eq; fi
	done`
	cmd := exec.Command("sh", "-c", script)
	cmd.Stdin = strings.NewReader(in.String())
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Fields(string(out))
	if len(want) != n {
		t.Fatalf("dpkg answered %d of %d", len(want), n)
	}
	for i, a := range versions {
		for _, b := range versions[i:] {
			if got := word(CompareVersions(a, b)); got != want[0] {
				t.Errorf("%s %s %s, dpkg says %s", a, got, b, want[0])
			}
			if CompareVersions(a, b) != -CompareVersions(b, a) {
				t.Errorf("%s and %s: not antisymmetric", a, b)
			}
			want = want[1:]
		}
	}
}

func word(c int) string {
	switch {
	case c < 0:
		return "lt"
	case c > 0:
		return "gt"
	}
	return "eq"
}

func TestCheckVersionAsDpkg(t *testing.T) {
	testtool.Need(t, "dpkg", "dpkg")
	for _, v := range append([]string{
		"", ":1", "a:1", "-1:1", "1:", "1:-1", "1-", "a1", "1_2", "1-2_3", "1:2:3", "1.0:1", "1 2", "1.0(", "1-2~3", "1~-2", "é1", "1é",
		"2147483647:1", "99999999999:1", "1:a", "-1", "1--2", "1/2",
	}, versions...) {
		got := CheckVersion(v)
		// dpkg only warns of some mistakes, but says so.
		out, err := exec.Command("dpkg", "--validate-version", v).CombinedOutput()
		if (got == nil) != (err == nil) && v != "2147483647:1" {
			t.Errorf("%q: %v, dpkg says %v %s", v, got, err, out)
		}
	}
}

func FuzzCompareVersions(f *testing.F) {
	for i, v := range versions {
		f.Add(v, versions[len(versions)-1-i], versions[(i*7)%len(versions)])
	}
	f.Fuzz(func(t *testing.T, a, b, c string) {
		ab, ba, bc, ac := CompareVersions(a, b), CompareVersions(b, a), CompareVersions(b, c), CompareVersions(a, c)
		if ab != -ba {
			t.Errorf("%q %q: %d and %d", a, b, ab, ba)
		}
		if CompareVersions(a, a) != 0 {
			t.Errorf("%q is not itself", a)
		}
		if ab <= 0 && bc <= 0 && ac > 0 || ab >= 0 && bc >= 0 && ac < 0 || ab == 0 && bc != ac {
			t.Errorf("%q %q %q: %d %d %d", a, b, c, ab, bc, ac)
		}
		if CheckVersion(a) == nil && (CompareVersions(a+"~", a) >= 0 || CompareVersions(a+"a", a) <= 0) {
			t.Errorf("%q: a tilde must sort before, a letter after", a)
		}
	})
}

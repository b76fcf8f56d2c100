package lock

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func printed(t *testing.T, older, newer *Lock) string {
	t.Helper()
	var b strings.Builder
	if err := Print(&b, "golang", Diff(older, newer)); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestDiffOfTheSameIsEmpty(t *testing.T) {
	if got := Diff(fixture(), fixture()); len(got) != 0 {
		t.Errorf("got %+v", got)
	}
}

// move gives one package another version in all images that have it.
func move(l *Lock, name, version, archive string) {
	for i := range l.Inputs {
		in := &l.Inputs[i]
		if in.Name != name {
			continue
		}
		was := in.ID
		in.ID = strings.Replace(in.ID, "@"+in.Version+"/", "@"+version+"/", 1)
		in.Version, in.Archive, in.SHA256 = version, archive, hexOf(in.ID)
		for _, img := range l.Images {
			for j, layer := range img.Layers {
				for k, id := range layer.Inputs {
					if id == was {
						layer.Inputs[k] = in.ID
						img.Layers[j].DiffID = "sha256:" + hexOf(in.ID)
					}
				}
			}
		}
	}
}

func TestDiffNamesWhatMoved(t *testing.T) {
	newer := fixture()
	move(newer, "libc6", "2.41-12+deb13u1", "debian-security")
	want := "golang: libc6 2.41-12 → 2.41-12+deb13u1 (trixie-security)\n"
	if got := printed(t, fixture(), newer); got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
}

func TestDiffOfEverythingElse(t *testing.T) {
	newer := fixture()
	newer.Definition = "sha256:" + hexOf("changed")
	newer.Archives[2].SignedBy = []string{strings.Repeat("D", 40)}
	newer.Scripts[0].SHA256 = hexOf("another postinst")
	newer.Inputs[2].SHA256 = hexOf("the same version anew") // tzdata
	// One image less a package, and a layer that is made in another way.
	newer.Images[3].Layers[2].Inputs = newer.Images[3].Layers[2].Inputs[:1]
	newer.Images[3].Layers[2].DiffID = "sha256:" + hexOf("less")
	newer.Images[0].Layers[2].DiffID = "sha256:" + hexOf("other way")
	for i := range newer.Images {
		newer.Images[i].Version = "1.27.4"
	}
	short12 := func(s string) string { return hexOf(s)[:12] }
	want := strings.Join([]string{
		"the definition has changed",
		"archive debian-security trixie-security signed by " + strings.Repeat("C", 40) + " → signed by " + strings.Repeat("D", 40),
		"1.27 1.27.3 → 1.27.4",
		"@typescript/typescript 7.0.2 is gone (npm) in 1.27 slim linux/arm64",
		"tzdata 2026b-1+deb13u1 " + hexOf("tzdata2026b-1+deb13u1all")[:19] + " → 2026b-1+deb13u1 " + hexOf("the same version anew")[:19] + " (trixie-security)",
		"script libc6 postinst " + short12("postinst") + " → " + short12("another postinst"),
		"layer go sha256:" + short12("goamd64") + " → sha256:" + short12("other way") + " in 1.27 full linux/amd64",
	}, "\n")
	got := strings.ReplaceAll(strings.TrimSuffix(printed(t, fixture(), newer), "\n"), "golang: ", "")
	if d := cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n")); d != "" {
		t.Error(d)
	}
}

func TestDiffOfANewLockNamesAllAsNew(t *testing.T) {
	got := printed(t, nil, fixture())
	for _, want := range []string{"golang: 1.27 1.27.3 is new\n", "golang: libc6 2.41-12 is new (debian)\n", "golang: archive debian trixie signed by"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in:\n%s", want, got)
		}
	}
	if strings.Contains(got, "definition") {
		t.Errorf("nothing was there to change:\n%s", got)
	}
}

package deploy

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/imgbuild/imgbuild/pkg/deploy/deploytest"
	"github.com/imgbuild/imgbuild/pkg/template"
)

// byName is all that a rollback needs.
func byName() template.Function { return template.Function{Name: "hello", Region: deploytest.Region} }

// TestRollback: there and forward again, and only the image changes.
func TestRollback(t *testing.T) {
	p := deploytest.New()
	p.Looks = 1
	d := serve(t, p)
	apply(t, d, hello("a"))
	f := hello("b")
	f.Memory = 2048
	apply(t, d, f)
	c, err := deployment(t, d, byName()).PlanRollback(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []Change{{"customContainerConfig.image", pinned("b"), pinned("a")}}
	if diff := cmp.Diff(want, c.Changes); diff != "" || p.Image("hello") != pinned("b") {
		t.Errorf("image %s, %s", p.Image("hello"), diff)
	}
	for _, to := range []string{"a", "b", "a"} {
		r, err := deployment(t, d, byName()).Rollback(t.Context(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if r.Action != RolledBack || r.Image != pinned(to) || p.Image("hello") != pinned(to) || r.Test == nil {
			t.Errorf("result %+v with the image %s; want %s", r, p.Image("hello"), to)
		}
		if got := p.Function("hello"); got["memorySize"] != 2048.0 || got["customContainerConfig"].(map[string]any)["port"] != 8080.0 {
			t.Errorf("function %v", got)
		}
	}
}

// TestRollbackToAnotherRepository: the digest before was elsewhere.
func TestRollbackToAnotherRepository(t *testing.T) {
	p := deploytest.New()
	d := serve(t, p)
	f := hello("a")
	f.Image = strings.Replace(f.Image, "hello", "elder", 1)
	apply(t, d, f)
	apply(t, d, hello("b"))
	elder := strings.Replace(pinned("a"), "hello", "elder", 1)
	for _, want := range []string{elder, pinned("b"), elder} {
		if r, err := deployment(t, d, byName()).Rollback(t.Context(), Options{}); err != nil || r.Image != want {
			t.Fatalf("result %+v, %v; want %s", r, err, want)
		}
	}
	apply(t, d, hello("b"))
	apply(t, d, hello("c"))
	if p.Tag("hello", tagRepository) != "" {
		t.Errorf("repository before %q", p.Tag("hello", tagRepository))
	}
	// Too long for a tag.
	f.Image = strings.Replace(f.Image, "elder", strings.Repeat("x", 120), 1)
	apply(t, d, f)
	r := apply(t, d, hello("b"))
	if len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "too long for a tag") {
		t.Errorf("notes %q", r.Notes)
	}
	_, err := deployment(t, d, byName()).Rollback(t.Context(), Options{})
	wants(t, err, "no digest before is known")
}

// TestNoRollback: where it is not known what was before, nothing is touched.
func TestNoRollback(t *testing.T) {
	p := deploytest.New()
	d := serve(t, p)
	back := func(want string) {
		t.Helper()
		_, err := deployment(t, d, byName()).Rollback(t.Context(), Options{})
		wants(t, err, "rolling back hello in cn-hangzhou: ", want)
	}
	back("there is no function hello; check its name and --region")
	p.Put("hello", map[string]any{"runtime": "nodejs20"})
	back("it has no image to go back from")
	apply(t, d, hello("a"))
	back("no digest before is known")
	apply(t, d, hello("b"))
	p.Put("hello", map[string]any{"customContainerConfig": map[string]any{"image": pinned("c")}})
	back("something else than imgbuild has changed the image since: it runs " + digest("c") + ", and imgbuild deployed " + digest("b"))
	if p.Image("hello") != pinned("c") {
		t.Errorf("image %s", p.Image("hello"))
	}
	_, err := deployment(t, d, template.Function{Name: "hello"}).Rollback(t.Context(), Options{})
	wants(t, err, "give --region")
}

// TestFromATag: what was deployed by a tag goes back to the digest of it.
func TestFromATag(t *testing.T) {
	p := deploytest.New()
	d := serve(t, p)
	p.Put("hello", map[string]any{"runtime": "custom-container", "customContainerConfig": map[string]any{"image": repository + ":1.0", "resolvedImageUri": pinned("a")}})
	r := apply(t, d, hello("b"))
	if want := (Change{"customContainerConfig.image", repository + ":1.0 (" + digest("a") + ")", pinned("b")}); r.Changes[0] != want {
		t.Errorf("change %+v", r.Changes[0])
	}
	if r, err := deployment(t, d, byName()).Rollback(t.Context(), Options{}); err != nil || r.Image != pinned("a") {
		t.Errorf("result %+v, %v", r, err)
	}
	// The same digest under a tag is pinned, and that is no other image.
	p.Put("hello", map[string]any{"customContainerConfig": map[string]any{"image": repository + ":1.0", "resolvedImageUri": pinned("b")}})
	before := p.Tag("hello", tagBefore)
	if r := apply(t, d, hello("b")); r.Action != Updated || p.Image("hello") != pinned("b") || p.Tag("hello", tagBefore) != before {
		t.Errorf("result %+v, digest before %q", r, p.Tag("hello", tagBefore))
	}
}

// TestTagsRefused: a deployment is as good without them, and says what is lost.
func TestTagsRefused(t *testing.T) {
	p := deploytest.New()
	d := serve(t, p)
	apply(t, d, hello("a"))
	p.Instead = func(c deploytest.Call) deploytest.Reply {
		if c.Action == "TagResources" {
			return deploytest.Reply{Status: 403, Body: `{"Code":"AccessDenied","Message":"no"}`}
		}
		return deploytest.Reply{}
	}
	r := apply(t, d, hello("b"))
	if r.Action != Updated || len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "fc:TagResources") {
		t.Errorf("result %+v", r)
	}
	_, err := deployment(t, d, byName()).Rollback(t.Context(), Options{})
	wants(t, err, "no digest before is known")
}

// TestRollbackFails: the image before fails, too; it stays, and what the
// function has in its environment is not shown.
func TestRollbackFails(t *testing.T) {
	p := deploytest.New()
	d := serve(t, p)
	apply(t, d, hello("a"))
	apply(t, d, hello("b"))
	p.SetRun(func(string, []byte) deploytest.Reply {
		return deploytest.Reply{Header: map[string]string{"X-Fc-Error-Type": "UnhandledInvocationError"}, Body: `{"errorMessage":"no login with ` + secret + `"}`}
	})
	_, err := deployment(t, d, byName()).Rollback(t.Context(), Options{})
	wants(t, err, "the test request fails: the function ends in UnhandledInvocationError (no login with …)", "the function stays at "+pinned("a"))
	if p.Image("hello") != pinned("a") {
		t.Errorf("image %s", p.Image("hello"))
	}
}

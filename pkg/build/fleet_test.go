package build

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/client"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/buildkit"
	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/mirror"
	"github.com/imgbuild/imgbuild/pkg/progress"
)

// What one builder leaves in a cache spares another, empty one all work: it asks
// no mirror, and is sent nothing.
func TestBuildKitCache(t *testing.T) {
	testtool.Whole(t)
	imgbuild := program(t, "github.com/imgbuild/imgbuild/cmd/imgbuild")
	d, l, files := hello(t)
	full := newPool(t)
	full.files = files
	dir := t.TempDir()
	e, _ := onBuilder(t, testtool.BuildKitd(t), imgbuild, map[string]string{mirror.Debian: full.URL})
	e.CacheTo = []client.CacheOptionsEntry{{Type: "local", Attrs: map[string]string{"dest": dir, "mode": "max"}}}
	first, err := e.Build(t.Context(), requests(d, l))
	if err != nil {
		t.Fatal(err)
	}
	if full.requests() != 2 {
		t.Errorf("the mirror was asked for %v", full.asked)
	}
	e, fetcher := onBuilder(t, testtool.BuildKitd(t), imgbuild, map[string]string{mirror.Debian: full.URL})
	e.CacheFrom = []client.CacheOptionsEntry{{Type: "local", Attrs: map[string]string{"src": dir}}}
	second, err := e.Build(t.Context(), requests(d, l))
	if err != nil {
		t.Fatal(err)
	}
	if digest(t, first[0]) != digest(t, second[0]) {
		t.Error("the images differ")
	}
	if full.requests() != 2 || fetcher.fetched.Load() > 0 {
		t.Errorf("the mirror was asked for %v, and %d were sent from here", full.asked, fetcher.fetched.Load())
	}
}

// A builder that dies has its share done by the other one, in the same build.
func TestBuildKitDies(t *testing.T) {
	testtool.Whole(t)
	slow := program(t, "./testdata/liar")
	d := parse(t, strings.Replace(strings.Replace(tiny, "      - name: shim\n        shim: {}\n", "", 1),
		`content: "{version} {arch}"`, `content: "lie: slow {version} {arch}"`, 1))
	d.Versions.Series = []string{"9.9", "9.8", "9.7", "9.6", "9.5", "9.4"}
	l := lockOf(t, d)
	n, _, _ := newNative(t)
	want, err := n.Build(t.Context(), requests(d, l))
	if err != nil {
		t.Fatal(err)
	}
	victim := testtool.BuildKitd(t)
	e, _ := onBuilder(t, victim, slow, nil)
	other, _ := onBuilder(t, testtool.BuildKitd(t), slow, nil)
	e.Builders = append(e.Builders, other.Builders...)
	var lost []*buildkit.Builder
	e.Lost = func(b *buildkit.Builder, err error) { lost = append(lost, b) }
	received := make(chan string, 100)
	go func() {
		<-received
		victim.Kill()
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	got, err := e.Build(progress.With(ctx, told(received)), requests(d, l))
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		if digest(t, got[i]) != digest(t, want[i]) {
			t.Errorf("image %d differs", i)
		}
	}
	if len(lost) != 1 || lost[0] != e.Builders[0] {
		t.Errorf("%d builders were lost", len(lost))
	}
}

// told is told of layers that come in.
type told chan string

func (c told) Start(name string, _ int64) progress.Step {
	if strings.HasPrefix(name, "receive ") {
		c <- name
	}
	return progress.Start(context.Background(), name, 0)
}

func mustPlan(t *testing.T, e *BuildKit, r []Request) *plan {
	t.Helper()
	p, err := newPlan(r, e.Compression, e.Shim)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestCanRun(t *testing.T) {
	one := &buildkit.Builder{Address: buildkit.Address{URL: "tcp://one.example.com:1"}, Platforms: []string{"linux/amd64"}}
	two := &buildkit.Builder{Address: buildkit.Address{URL: "tcp://two.example.com:1"}, Platforms: []string{"linux/arm64"}}
	j := &job{request: Request{Definition: parse(t, tiny)}, layer: definition.Layer{Name: "compile", Run: &definition.RunLayer{}}, platform: "linux/arm64"}
	if err := (&BuildKit{Builders: []*buildkit.Builder{one, two}}).canRun(j); err != nil {
		t.Error(err)
	}
	err := (&BuildKit{Builders: []*buildkit.Builder{one}}).canRun(j)
	for _, want := range []string{"layer compile of tiny", "linux/arm64", "tcp://one.example.com:1 has linux/amd64", "binfmt", "--platform"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v; want %q", err, want)
		}
	}
}

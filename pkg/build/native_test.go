package build

import (
	"errors"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/assemble"
	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/lock"
)

// A command's layer that the other engine made is taken from the store; one that
// is not there is refused before any work.
func TestNativeTakesLayersOfCommands(t *testing.T) {
	d := parse(t, `name: commands
versions: {series: ["1"]}
platforms: [linux/amd64]
variants:
  - name: full
    layers:
      - name: base
        files: [{path: /bin/sh, content: "a shell"}]
      - name: command
        run: {script: "true"}
    config: {cmd: [/bin/sh]}
`)
	n, _, _ := newNative(t)
	base := assembled(t, n, d.Variants[0].Layers[0])
	l := &lock.Lock{Definition: d.Digest(), Images: []lock.Image{{
		Version: "1", Series: "1", Variant: "full", Platform: "linux/amd64",
		Layers: []lock.Layer{{Name: "base", DiffID: base.Record().DiffID.String()}, {Name: "command"}},
	}}}
	_, err := n.Build(t.Context(), requests(d, l))
	if run, ok := errors.AsType[*RunError](err); !ok || run.Layer != "command" {
		t.Fatalf("got %v", err)
	}
	p, err := newPlan(requests(d, l), layer.Gzip, n.Shim)
	if err != nil {
		t.Fatal(err)
	}
	made := assembled(t, n, definition.Layer{Name: "command", Files: []definition.File{{Path: "/made", Content: "by a command"}}})
	if err := p.jobs[1].remember(made); err != nil {
		t.Fatal(err)
	}
	images, err := n.Build(t.Context(), requests(d, l))
	if err != nil {
		t.Fatal(err)
	}
	layers, err := images[0].Layers()
	if err != nil || len(layers) != 2 {
		t.Fatalf("%d layers, %v", len(layers), err)
	}
	if got, err := layers[1].DiffID(); err != nil || got != made.Record().DiffID {
		t.Errorf("the second layer is %s, %v", got, err)
	}
}

// assembled is a layer of files.
func assembled(t *testing.T, n *Native, l definition.Layer) *layer.Layer {
	t.Helper()
	r, err := assemble.Layer(t.Context(), n.Store, n.Compression, assemble.Spec{Layer: l})
	if err != nil {
		t.Fatal(err)
	}
	return r.Layer
}

package function

import (
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

func TestCompose(t *testing.T) {
	m, _, _ := plainMaker(t)
	base := fakeBase(t, "bin/sh")
	files, err := scan(t.Context(), folder(t, "server.js", "1"), true, nil)
	if err != nil {
		t.Fatal(err)
	}
	l, _, err := m.treeLayer(t.Context(), files)
	if err != nil {
		t.Fatal(err)
	}
	f := Function{Layers: []Layer{{l, "code"}}, Cmd: []string{"node", "server.js"}, Env: []string{"A=2", "B=3"}}
	img, err := Compose(base, f, time.Unix(1e9, 0))
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(img); err != nil {
		t.Error(err)
	}
	again, err := Compose(base, f, time.Unix(1e9, 0))
	if err != nil {
		t.Fatal(err)
	}
	one, _ := img.Digest()
	if two, _ := again.Digest(); one != two {
		t.Errorf("composed twice: %s and %s", one, two)
	}
	file, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	baseDigest, _ := base.Image.Digest()
	labels := map[string]string{
		"org.opencontainers.image.base.name": "base:1-slim", "org.opencontainers.image.base.digest": baseDigest.String(),
		"org.opencontainers.image.created": "2001-09-09T01:46:40Z", "team": "mine",
	}
	want := v1.Config{
		Entrypoint: []string{"/usr/local/bin/shim"}, Cmd: []string{"node", "server.js"}, Env: []string{"PATH=/bin", "A=2", "B=3"}, Labels: labels,
	}
	if !reflect.DeepEqual(file.Config, want) || file.Architecture != "amd64" || len(file.History) != 2 || !file.Created.Equal(time.Unix(1e9, 0)) {
		t.Errorf("got %+v", file)
	}
	manifest, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	delete(labels, "team")
	if !maps.Equal(manifest.Annotations, labels) || len(manifest.Layers) != 2 {
		t.Errorf("got %+v", manifest)
	}
	// The base itself is as it was.
	if file, err := base.Image.ConfigFile(); err != nil || len(file.Config.Env) != 2 || !slices.Contains(file.Config.Env, "A=1") {
		t.Errorf("the base has %+v, %v", file.Config, err)
	}
}

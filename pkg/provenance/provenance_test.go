package provenance

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	slsa "github.com/in-toto/attestation/go/predicates/provenance/v1"
	intoto "github.com/in-toto/attestation/go/v1"
	packageurl "github.com/package-url/packageurl-go"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/imgbuild/imgbuild/images"
	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/input/inputtest"
	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/lock"
)

const mixedYAML = `name: mixed
versions: {go: true, series: ["1.2"]}
platforms: [linux/amd64, linux/arm64]
variants:
  - name: full
    layers:
      - name: base
        image: {ref: "registry.example.com/team/base@sha256:1111111111111111111111111111111111111111111111111111111111111111"}
      - name: os
        debian: {suite: trixie, packages: [libc6]}
      - name: go
        go: {}
      - name: npm
        npm: {packages: [{package: "@types/node", version: latest, to: /opt}]}
    config: {cmd: [/bin/true]}
`

func hash(t *testing.T, s string) v1.Hash {
	t.Helper()
	h, _, err := v1.SHA256(strings.NewReader(s))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// mixed has one input of each kind.
func mixed(t *testing.T) Request {
	t.Helper()
	d, err := definition.Parse("image.yaml", []byte(mixedYAML), func(string) ([]byte, error) { return nil, os.ErrNotExist })
	if err != nil {
		t.Fatal(err)
	}
	sum := func(s string) string { return hash(t, s).Hex }
	ones := strings.Repeat("1", 64)
	l := &lock.Lock{Inputs: []lock.Input{
		{ID: "deb:libc6@2:2.41-12+b1/amd64", Kind: lock.KindDebian, Name: "libc6", Version: "2:2.41-12+b1", Archive: "debian", Path: "pool/main/g/glibc/libc6_2.41-12+b1_amd64.deb", SHA256: sum("libc6")},
		{ID: "go:1.27.3/linux-amd64", Kind: lock.KindGo, Name: "golang.org/toolchain", Version: "1.27.3", Archive: "go", Path: "golang.org/toolchain/@v/v0.0.1-go1.27.3.linux-amd64.zip", SHA256: sum("go")},
		{ID: "image:registry.example.com/team/base@sha256:" + ones, Kind: lock.KindImage, Name: "registry.example.com/team/base", Version: "sha256:" + ones, Path: "registry.example.com/team/base@sha256:" + ones, SHA256: ones},
		{ID: "npm:@types/node@26.1.0", Kind: lock.KindNPM, Name: "@types/node", Version: "26.1.0", Archive: "npm", Path: "@types/node/-/node-26.1.0.tgz", SHA256: sum("types")},
	}}
	l.Images = []lock.Image{{Version: "1.2", Series: "1.2", Variant: "full", Platform: "linux/amd64", Layers: []lock.Layer{
		{Name: "base", Inputs: []string{l.Inputs[2].ID}}, {Name: "os", Inputs: []string{l.Inputs[0].ID}},
		{Name: "go", Inputs: []string{l.Inputs[1].ID}}, {Name: "npm", Inputs: []string{l.Inputs[3].ID}},
	}}}
	return Request{Definition: d, Lock: l, Images: l.Images, Version: "v1.2.3", Source: hash(t, "source")}
}

// statementOf is provenance in its statement, checked by in-toto's own library.
func statementOf(t *testing.T, r Request) []byte {
	t.Helper()
	predicate, err := Of(r)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Statement([]Subject{{Name: r.Definition.Name, Digest: hash(t, "image")}}, SLSA, predicate)
	if err != nil {
		t.Fatal(err)
	}
	var is intoto.Statement
	if err := protojson.Unmarshal(s, &is); err != nil {
		t.Fatalf("in-toto's library: %v", err)
	}
	if err := is.Validate(); err != nil {
		t.Errorf("in-toto's library: %v", err)
	}
	var ps slsa.Provenance
	if err := protojson.Unmarshal(predicate, &ps); err != nil {
		t.Fatalf("in-toto's library: %v", err)
	}
	if err := ps.Validate(); err != nil {
		t.Errorf("in-toto's library: %v", err)
	}
	return s
}

func TestProvenance(t *testing.T) {
	r := mixed(t)
	s := statementOf(t, r)
	inputtest.Golden(t, "mixed.json", indent(t, s))
	if strings.Contains(string(s), "example.com") {
		t.Error("a host is in it")
	}
	p, err := ParseStatement(s)
	if err != nil {
		t.Fatal(err)
	}
	if p.PredicateType != SLSA || !p.About(hash(t, "image")) || p.About(hash(t, "other")) {
		t.Errorf("%+v", p)
	}
	made, err := ParsePredicate(p.Predicate)
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := made.Source(); !ok || got != r.Source {
		t.Errorf("source %s", got)
	}
	if again := statementOf(t, mixed(t)); string(again) != string(s) {
		t.Error("it differs the second time")
	}
}

// The images inside imgbuild: everything in their locks is there, with a
// package URL that is one and a hash, and no host.
func TestRealImages(t *testing.T) {
	golang := load(t, "golang")
	for _, name := range images.Names() {
		r := load(t, name)
		all, err := lock.Select(r.Definition, r.Lock, lock.Query{All: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range all {
			r.Images, r.Golang, r.Version, r.Compression, r.Source = s.Platforms, golang.Lock, "v1", layer.Gzip, hash(t, "source")
			var p Predicate
			st, err := ParseStatement(statementOf(t, r))
			if err == nil {
				err = json.Unmarshal(st.Predicate, &p)
			}
			if err != nil {
				t.Fatal(err)
			}
			there := map[string]bool{}
			for i, d := range p.BuildDefinition.ResolvedDependencies {
				if _, ok := d.sha256(); !ok || strings.Contains(d.Name, "://") {
					t.Errorf("%s: %+v", name, d)
				}
				if i > 1 {
					if u, err := packageurl.FromString(d.URI); err != nil || u.Version == "" {
						t.Errorf("%s: %+v: %v", name, d, err)
					}
				}
				there[d.Digest["sha256"]] = true
			}
			if n := p.BuildDefinition.ResolvedDependencies; n[0].Name != SourceName || n[1].Name != ShimName {
				t.Errorf("%s begins with %s, %s", name, n[0].Name, n[1].Name)
			}
			for _, img := range s.Platforms {
				for _, l := range img.Layers {
					inputs, err := r.Lock.FindAll(l.Inputs)
					if err != nil {
						t.Fatal(err)
					}
					for _, in := range inputs {
						if !there[in.SHA256] {
							t.Errorf("%s: %s is missing", name, in.ID)
						}
					}
				}
			}
			shim := p.BuildDefinition.InternalParameters.Shim
			if here, err := ShimOf(golang.Lock); err != nil || shim == nil || *shim != *here {
				t.Errorf("%s: the shim is %+v, want %+v (%v)", name, shim, here, err)
			}
		}
	}
}

func load(t *testing.T, name string) Request {
	t.Helper()
	d, err := definition.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	l, err := lock.Load(d)
	if err != nil {
		t.Fatal(err)
	}
	return Request{Definition: d.Definition, Lock: l}
}

func indent(t *testing.T, s []byte) string {
	t.Helper()
	var v any
	if err := json.Unmarshal(s, &v); err != nil {
		t.Fatal(err)
	}
	b, err := json.MarshalIndent(json.RawMessage(s), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b) + "\n"
}

func TestOfRefuses(t *testing.T) {
	for want, change := range map[string]func(*Request){
		"at least one image":   func(r *Request) { r.Images = nil },
		"different versions":   func(r *Request) { r.Images = append(r.Images, lock.Image{Version: "2", Variant: "full"}) },
		"does not go with":     func(r *Request) { r.Images = []lock.Image{{Version: "1.2", Variant: "slim"}} },
		"has no input deb:x@1": func(r *Request) { r.Lock.Images[0].Layers[0].Inputs = []string{"deb:x@1"} },
		"golang, whose Go": func(r *Request) {
			r.Definition.Variants[0].Layers[0] = definition.Layer{Name: "base", Shim: &definition.ShimLayer{}}
		},
	} {
		r := mixed(t)
		change(&r)
		if _, err := Of(r); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v; want one with %q", err, want)
		}
	}
}

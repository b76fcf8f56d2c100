package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/imgbuild/imgbuild/internal/testtool"
)

var bothPlatforms = []string{"linux/amd64", "linux/arm64"}

// Every image that was printed is in the registry under all its tags, as an
// index of exactly its platforms.
func TestPushAll(t *testing.T) {
	results := pushed(t)
	counts := map[string]int{}
	for _, r := range results {
		counts[r.Name]++
		ref, err := name.NewDigest(r.Reference)
		if err != nil {
			t.Fatalf("%s: %v", r.Reference, err)
		}
		if want := image(t, r.Name) + ":" + firstTag(r) + "@" + r.Digest; r.Reference != want {
			t.Errorf("printed %s, want %s", r.Reference, want)
		}
		index, err := remote.Index(ref)
		if err != nil {
			t.Fatal(err)
		}
		manifest, err := index.IndexManifest()
		if err != nil {
			t.Fatal(err)
		}
		var platforms []string
		for _, m := range manifest.Manifests {
			platforms = append(platforms, m.Platform.String())
		}
		if !slices.Equal(platforms, bothPlatforms) || manifest.MediaType != types.OCIImageIndex {
			t.Errorf("%s is a %s of %v", r.Reference, manifest.MediaType, platforms)
		}
		if len(r.Tags) == 0 {
			t.Errorf("%s has no tags", r.Reference)
		}
		for _, tag := range r.Tags {
			d, err := remote.Head(ref.Repository.Tag(tag))
			if err != nil || d.Digest.String() != r.Digest {
				t.Errorf("tag %s:%s is %v, want %s: %v", r.Name, tag, d, r.Digest, err)
			}
		}
	}
	want := map[string]int{"golang": 4, "node": 6, "typescript": 6}
	if fmt.Sprint(counts) != fmt.Sprint(want) {
		t.Errorf("%v images, want %v", counts, want)
	}
}

// firstTag is the tag that a reference is printed with.
func firstTag(r result) string {
	_, rest, _ := strings.Cut(r.Reference, "/"+namespace+"/"+r.Name+":")
	tag, _, _ := strings.Cut(rest, "@")
	return tag
}

// What is printed can be pulled by skopeo, which verifies every blob, and has
// the same digest there.
func TestSkopeo(t *testing.T) {
	skopeo := testtool.Need(t, "skopeo", "skopeo")
	dir := filepath.Join(t.TempDir(), "layout") // blobs that images share are copied once
	var want []v1.Hash
	for _, r := range pushed(t) {
		at := image(t, r.Name) + "@" + r.Digest // skopeo takes no tag beside a digest
		raw, err := exec.CommandContext(t.Context(), skopeo, "inspect", "--raw", "--tls-verify=false", "docker://"+at).Output()
		if err != nil {
			t.Fatalf("skopeo inspect %s: %v", at, err)
		}
		if h, _, err := v1.SHA256(strings.NewReader(string(raw))); err != nil || h.String() != r.Digest {
			t.Errorf("skopeo has %s under %s", h, r.Digest)
		}
		var index v1.IndexManifest
		if err := json.Unmarshal(raw, &index); err != nil {
			t.Fatal(err)
		}
		for _, m := range index.Manifests {
			want = append(want, m.Digest)
			cmd := exec.CommandContext(t.Context(), skopeo, "copy", "--quiet", "--preserve-digests", "--src-tls-verify=false",
				"docker://"+image(t, r.Name)+"@"+m.Digest.String(), "oci:"+dir+":"+m.Digest.Hex)
			if said, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("skopeo copy %s: %v: %s", at, err, said)
			}
		}
	}
	var copied v1.IndexManifest
	readJSON(t, filepath.Join(dir, "index.json"), &copied)
	for _, h := range want {
		if !slices.ContainsFunc(copied.Manifests, func(d v1.Descriptor) bool { return d.Digest == h }) {
			t.Errorf("skopeo's copy of %s has another digest", h)
		}
	}
}

// One platform makes a plain manifest; without --json the one line on standard
// output is the reference.
func TestPushOne(t *testing.T) {
	skopeo := testtool.Need(t, "skopeo", "skopeo")
	pushed(t)
	host := registry(t).Host
	out := run{}.ok(t, "typescript", "--push", "--registry", host+"/one")
	reference, ok := strings.CutSuffix(out, "\n")
	if !ok || strings.Contains(reference, "\n") || !strings.HasPrefix(reference, host+"/one/typescript:") {
		t.Fatalf("printed %q", out)
	}
	raw, err := exec.CommandContext(t.Context(), skopeo, "inspect", "--raw", "--tls-verify=false", "docker://"+host+"/one/typescript:latest").Output()
	if err != nil {
		t.Fatal(err)
	}
	var m v1.Manifest
	if err := json.Unmarshal(raw, &m); err != nil || m.MediaType != types.OCIManifestSchema1 || len(m.Layers) < 4 {
		t.Fatalf("one platform is a %s with %d layers: %v", m.MediaType, len(m.Layers), err)
	}
	if h, _, err := v1.SHA256(strings.NewReader(string(raw))); err != nil || !strings.HasSuffix(reference, "@"+h.String()) {
		t.Errorf("the registry has %s, printed was %s: %v", h, reference, err)
	}
	index, err := remote.Index(mustRef(t, image(t, "typescript:latest")))
	if err != nil {
		t.Fatal(err)
	}
	amd64, err := index.IndexManifest()
	if err != nil || !strings.HasSuffix(reference, "@"+amd64.Manifests[0].Digest.String()) {
		t.Errorf("alone the image is %s, in the index %s", reference, amd64.Manifests[0].Digest)
	}
}

// The OS layer is one blob for all full images of a platform.
func TestFullImagesShareTheirOS(t *testing.T) {
	layers := map[string]map[v1.Hash][]string{}
	for _, r := range pushed(t) {
		if r.Variant != "full" {
			continue
		}
		for _, p := range bothPlatforms {
			img := pull(t, r.Reference, p)
			m, err := img.Manifest()
			if err != nil {
				t.Fatal(err)
			}
			if layers[p] == nil {
				layers[p] = map[v1.Hash][]string{}
			}
			layers[p][m.Layers[0].Digest] = append(layers[p][m.Layers[0].Digest], r.Reference)
		}
	}
	for p, byDigest := range layers {
		if len(byDigest) != 1 {
			t.Errorf("%s has %d different OS layers: %v", p, len(byDigest), byDigest)
		}
	}
}

func mustRef(t testing.TB, s string) name.Reference {
	t.Helper()
	ref, err := name.ParseReference(s)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// pull returns the image for a platform.
func pull(t testing.TB, ref, platform string) v1.Image {
	t.Helper()
	p, err := v1.ParsePlatform(platform)
	if err != nil {
		t.Fatal(err)
	}
	img, err := remote.Image(mustRef(t, ref), remote.WithPlatform(*p), remote.WithContext(context.WithoutCancel(t.Context())))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

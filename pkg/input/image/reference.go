package image

import (
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/lock"
)

// parseReference reads a reference by digest with an explicit registry.
func parseReference(ref string) (name.Digest, error) {
	d, err := name.NewDigest(ref, name.StrictValidation)
	if err != nil || !strings.HasPrefix(d.DigestStr(), "sha256:") {
		return name.Digest{}, fmt.Errorf("%q is not an image by digest: "+
			"name it as registry.example.com/team/base@sha256:…, as a tag may point elsewhere tomorrow", ref)
	}
	return d, nil
}

// In a lock the manifest's path is its reference, and that of each blob it
// names is below its repository, as the distribution specification has it:
//
//	registry.example.com/team/base@sha256:…
//	registry.example.com/team/base/blobs/sha256:…
const blobs = "/blobs/"

func manifestInput(repo name.Repository, h v1.Hash, size int64) lock.Input {
	in := input(repo, h, size)
	in.Path = repo.Name() + "@" + h.String()
	in.ID = lock.KindImage + ":" + in.Path
	return in
}

func blobInput(repo name.Repository, d v1.Descriptor) lock.Input {
	in := input(repo, d.Digest, d.Size)
	in.Path = repo.Name() + blobs + d.Digest.String()
	in.ID = lock.KindImage + ":" + in.Path
	return in
}

func input(repo name.Repository, h v1.Hash, size int64) lock.Input {
	return lock.Input{Kind: lock.KindImage, Name: repo.Name(), Version: h.String(), Size: size, SHA256: h.Hex}
}

// manifestOf finds the one manifest among the inputs of a layer entry.
func manifestOf(ins []lock.Input) (name.Digest, error) {
	var found []name.Digest
	for _, in := range ins {
		if in.Kind != lock.KindImage || strings.Contains(in.Path, blobs) {
			continue
		}
		d, err := parseReference(in.Path)
		if err != nil {
			return name.Digest{}, err
		}
		if d.DigestStr() != "sha256:"+in.SHA256 {
			return name.Digest{}, fmt.Errorf("the lock's path %s does not belong to its hash %s", in.Path, in.SHA256)
		}
		found = append(found, d)
	}
	if len(found) != 1 {
		return name.Digest{}, fmt.Errorf("the lock has %d manifests for the image, expected 1", len(found))
	}
	return found[0], nil
}

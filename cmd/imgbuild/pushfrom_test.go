package main

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/imgbuild/imgbuild/pkg/address"
	"github.com/imgbuild/imgbuild/pkg/push"
)

// elsewhere says what it has pushed, whatever that is worth.
type elsewhere [][]push.Result

var errShare = errors.New("another share failed")

func (e elsewhere) PushAll(context.Context, []push.Destination) ([][]push.Result, error) {
	return e, errShare
}

// TestPushFrom: of what was sent from elsewhere only that is a result whose tag
// names what it should, and one that does not hides no other.
func TestPushFrom(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	repository, err := name.NewRepository(strings.TrimPrefix(server.URL, "http://") + "/team/hello")
	if err != nil {
		t.Fatal(err)
	}
	digests := map[string]v1.Hash{}
	var to push.Destination
	for _, tag := range []string{"good", "moved", "also-good"} {
		img, err := random.Image(10, 1)
		if err == nil {
			err = remote.Write(repository.Tag(tag), img)
		}
		if err == nil {
			digests[tag], err = img.Digest()
		}
		if err != nil {
			t.Fatal(err)
		}
		to.Images = append(to.Images, push.Request{Repository: address.Repository{Host: repository.RegistryStr(), Path: repository.RepositoryStr()}, Tags: []string{tag}})
	}
	digests["moved"] = digests["good"]
	var said []push.Result
	for _, r := range to.Images {
		tag := r.Tags[0]
		said = append(said, push.Result{Reference: repository.Name() + ":" + tag, Digest: digests[tag]})
	}
	check, err := push.New()
	if err != nil {
		t.Fatal(err)
	}
	pushed, err := pushFrom(t.Context(), elsewhere{said}, check, []push.Destination{to})
	if !errors.Is(err, errShare) || !strings.Contains(err.Error(), ":moved names sha256:") {
		t.Errorf("the error is %v", err)
	}
	if len(pushed) != 1 || pushed[0][0].Reference == "" || pushed[0][1].Reference != "" || pushed[0][2].Reference == "" {
		t.Errorf("the results are %+v", pushed)
	}
}

package step

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/imgbuild/imgbuild/pkg/address"
	"github.com/imgbuild/imgbuild/pkg/push"
)

// LayersDir holds the folders that other steps have left their layers in, each
// under the hex of the layer's digest.
const LayersDir = "/layers"

// SecretsDir has the docker configuration with the logins of a push, and the
// certificate authorities that are trusted, as files that no cache ever has.
const (
	SecretsDir = "/secrets"
	ConfigFile = "config.json"
	CAFile     = "ca.pem"
)

// PushFile is a Pushed as JSON, which a push leaves.
const PushFile = "push.json"

// Push sends images whose layers other steps have made.
type Push struct {
	// Small are the manifests and configurations, each under its own hash.
	Small        [][]byte          `json:"small"`
	Destinations []PushDestination `json:"destinations"`
}

// PushDestination is one registry and the images that it is to have.
type PushDestination struct {
	Name   string      `json:"name"`
	Images []PushImage `json:"images"`
}

// PushImage is an image or index and where it goes.
type PushImage struct {
	Digest     v1.Hash            `json:"digest"`
	MediaType  types.MediaType    `json:"mediaType"`
	Repository address.Repository `json:"repository"`
	Tags       []string           `json:"tags"`
	Immutable  []string           `json:"immutable"`
}

// Pushed is what a push came to. It is no failure of the step that a registry
// refuses something: others have what they were sent.
type Pushed struct {
	// Results are in the order of the destinations and their images; those of
	// images that failed are nil.
	Results [][]*push.Result `json:"results"`
	// Errors are by destination, "" for none.
	Errors []string `json:"errors"`
}

// run pushes, and leaves in out what came of it.
func (p Push) run(ctx context.Context, layers, out string) error {
	images := &described{small: map[v1.Hash][]byte{}, layers: layers}
	for _, raw := range p.Small {
		images.small[digestOf(raw)] = raw
	}
	var all []push.Destination
	for _, d := range p.Destinations {
		to := push.Destination{Name: d.Name}
		for _, i := range d.Images {
			r := push.Request{Repository: i.Repository, Tags: i.Tags, Immutable: i.Immutable}
			var err error
			if i.MediaType.IsIndex() {
				r.Index, err = images.index(i.Digest)
			} else {
				r.Image, err = images.image(i.Digest)
			}
			if err != nil {
				return err
			}
			to.Images = append(to.Images, r)
		}
		all = append(all, to)
	}
	pusher, err := push.New()
	if err != nil {
		return err
	}
	pushed := Pushed{Errors: make([]string, len(all))}
	results, err := pusher.PushAll(ctx, all)
	for _, to := range results {
		var done []*push.Result
		for _, r := range to {
			if r.Reference == "" {
				done = append(done, nil)
				continue
			}
			done = append(done, &r)
		}
		pushed.Results = append(pushed.Results, done)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var some *push.PartialError
	switch {
	case err == nil:
	case errors.As(err, &some):
		for n, name := range some.Failed {
			for i, d := range all {
				if d.Name == name {
					pushed.Errors[i] = some.Errs[n].Error()
				}
			}
		}
	default:
		pushed.Errors[0] = err.Error()
	}
	b, err := json.Marshal(pushed)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(out, PushFile), b, 0o644)
}

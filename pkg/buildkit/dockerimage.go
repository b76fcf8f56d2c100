package buildkit

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/imgbuild/imgbuild/pkg/dockerd"
)

// DockerImage is an image in the dockerd whose BuildKit is used, by its ID.
type DockerImage string

var docker = dockerd.API(connect)

// ID is the ID of the image that has the name i, empty where there is none.
func (i DockerImage) ID(ctx context.Context) (DockerImage, error) {
	image, err := i.inspect(ctx)
	return DockerImage(image.ID), err
}

// inspect is of an image that may not be there.
func (i DockerImage) inspect(ctx context.Context) (dockerd.Image, error) {
	image, err := docker.Image(ctx, string(i))
	if dockerd.Missing(err) {
		return image, nil
	}
	return image, err
}

// Save is the image as `docker save` writes it (Docker's API, "Export an image").
func (i DockerImage) Save(ctx context.Context) (io.ReadCloser, error) {
	res, err := docker.Do(ctx, http.MethodGet, "/images/"+string(i)+"/get", nil, nil)
	if err != nil {
		return nil, fmt.Errorf("taking the image %s out of Docker: %w", i, err)
	}
	return res.Body, nil
}

// Forget removes the image where it has no name: a build's own, which nobody
// would find again. What BuildKit has cached of it stays.
func (i DockerImage) Forget(ctx context.Context) error {
	image, err := i.inspect(ctx)
	if err != nil || image.ID == "" || len(image.RepoTags) > 0 {
		return err
	}
	return docker.Tell(ctx, http.MethodDelete, "/images/"+string(i), url.Values{"noprune": {"1"}})
}

// IsDocker says that the builder is the one inside Docker. Depending on its
// version and store that one lacks some of what others have.
func (b *Builder) IsDocker() bool { return b.Address.URL == Docker }

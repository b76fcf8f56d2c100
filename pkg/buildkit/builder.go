// Package buildkit reaches BuildKit daemons: which there are, how to connect,
// whether they live, and where their progress goes.
package buildkit

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/client"

	// The schemes of addresses.
	_ "github.com/moby/buildkit/client/connhelper/dockercontainer"
	_ "github.com/moby/buildkit/client/connhelper/kubepod"
	_ "github.com/moby/buildkit/client/connhelper/podmancontainer"
	_ "github.com/moby/buildkit/client/connhelper/ssh"
)

// dialTimeout is how long a builder may take to answer the first question.
const dialTimeout = 15 * time.Second

// Ways are the ways to get a builder, for messages where there is none.
const Ways = `three ways to get one:
  start Docker on this machine: its BuildKit is used by itself
  start buildkitd here or elsewhere, and give --buildkit unix://… or tcp://HOST:PORT, or BUILDKIT_HOST
  run it in a container: docker run -d --name buildkitd --privileged moby/buildkit, and give
    --buildkit docker-container://buildkitd (podman-container:// and kube-pod:// do the same)`

// Builder is a BuildKit daemon that answered.
type Builder struct {
	*client.Client
	Address Address
	// Platforms are those that its workers run, its own first, as linux/amd64.
	Platforms []string
}

// UnreachableError says that no builder answered.
type UnreachableError struct {
	Address Address
	Err     error
}

func (e *UnreachableError) Unwrap() error { return e.Err }

func (e *UnreachableError) Error() string {
	if e.Address.URL == Docker {
		return fmt.Sprintf("no BuildKit is reachable: none is named, and the one inside Docker does not answer: %v; %s", e.Err, Ways)
	}
	see := "that buildkitd runs there"
	if strings.HasPrefix(e.Address.URL, "tcp://") {
		// A builder that refuses a certificate just ends the connection.
		see += ", and that it takes the TLS files of --buildkit-tls or of the address"
	}
	return fmt.Sprintf("the builder %s does not answer: %v; see %s, and what --buildkit or BUILDKIT_HOST names. There are %s", e.Address, e.Err, see, Ways)
}

// Dial connects to a builder, and asks it what it can do. Errors are
// *UnreachableError, or the context's.
func Dial(ctx context.Context, a Address) (*Builder, error) {
	b, err := dial(ctx, a)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, &UnreachableError{Address: a, Err: err}
	}
	return b, nil
}

func dial(ctx context.Context, a Address) (*Builder, error) {
	var opts []client.ClientOpt
	url := a.URL
	if a.URL == Docker {
		url = "" // what the dialers below ignore
		opts = append(opts,
			client.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
				return dialDocker(ctx, "/grpc", "h2c", nil)
			}),
			client.WithSessionDialer(func(ctx context.Context, proto string, meta map[string][]string) (net.Conn, error) {
				return dialDocker(ctx, "/session", proto, meta)
			}))
	}
	if t := a.TLS; t != nil {
		if t.CA != "" {
			opts = append(opts, client.WithServerConfig(t.ServerName, t.CA))
		} else {
			opts = append(opts, client.WithServerConfigSystem(t.ServerName))
		}
		if t.Cert != "" {
			opts = append(opts, client.WithCredentials(t.Cert, t.Key))
		}
	}
	// Dialling is lazy; a context that ends would take the connection along.
	c, err := client.New(context.WithoutCancel(ctx), url, opts...)
	if err != nil {
		return nil, err
	}
	b := &Builder{Client: c, Address: a}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	workers, err := c.ListWorkers(ctx)
	if err != nil {
		return nil, errors.Join(plainer(err), c.Close())
	}
	for _, w := range workers {
		for _, p := range w.Platforms {
			if s := platforms.Format(platforms.Normalize(p)); !slices.Contains(b.Platforms, s) {
				b.Platforms = append(b.Platforms, s)
			}
		}
	}
	if len(b.Platforms) == 0 {
		return nil, errors.Join(errors.New("it has no worker"), c.Close())
	}
	return b, nil
}

// plainer takes gRPC's own words off an error.
func plainer(err error) error {
	text := err.Error()
	for _, words := range []string{"failed to list workers: ", "rpc error: ", "connection error: ", "transport: "} {
		text = strings.Replace(text, words, "", 1)
	}
	return errors.New(text)
}

// DialAll connects to all of them at once. Where several are given, those that
// do not answer are told to missing and left out; none at all is an error.
func DialAll(ctx context.Context, as []Address, missing func(error)) ([]*Builder, error) {
	builders, errs := make([]*Builder, len(as)), make([]error, len(as))
	done := make(chan struct{})
	for i, a := range as {
		go func() {
			builders[i], errs[i] = Dial(ctx, a)
			done <- struct{}{}
		}()
	}
	for range as {
		<-done
	}
	builders = slices.DeleteFunc(builders, func(b *Builder) bool { return b == nil })
	if len(builders) == 0 {
		return nil, errors.Join(errs...)
	}
	for _, err := range errs {
		if err != nil {
			missing(err)
		}
	}
	return builders, nil
}

// Native is the platform of the builder's own machine.
func (b *Builder) Native() string { return b.Platforms[0] }

// Has says whether the builder can run programs of a platform, as linux/arm64.
func (b *Builder) Has(platform string) bool { return slices.Contains(b.Platforms, platform) }

// Alive asks the builder whether it is still there.
func (b *Builder) Alive(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	_, err := b.ListWorkers(ctx)
	return err
}

// pulse is how often a builder that works is asked whether it is there.
const pulse = 10 * time.Second

// Guard tells lost, once, that the builder stopped answering, as a machine does
// that loses its network. It returns then or when ctx ends.
func (b *Builder) Guard(ctx context.Context, lost func(error)) {
	tick := time.NewTicker(pulse)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := b.Alive(ctx); err != nil && ctx.Err() == nil {
				lost(fmt.Errorf("%s does not answer any more: %w", b.Address, err))
				return
			}
		}
	}
}

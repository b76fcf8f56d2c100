package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/imgbuild/imgbuild/pkg/address"
	"github.com/imgbuild/imgbuild/pkg/input/image"
	"github.com/imgbuild/imgbuild/pkg/push"
	"github.com/imgbuild/imgbuild/pkg/registry"
	"github.com/imgbuild/imgbuild/pkg/source"
	"github.com/imgbuild/imgbuild/pkg/store"
)

const copyLong = `Copies an image to one or more registries, byte for byte: its digest stays.

SRC is an image in a registry, HOST/NAME:TAG or HOST/NAME@DIGEST, or an OCI
layout as --output type=oci writes it: a folder or a tar, PATH, or PATH:TAG
where it has several images. DST is HOST/NAME[:TAG]; without a tag it gets those
of SRC. The host embedded is the built-in registry.

All platforms are copied, or one with --platform. Blobs that every DST has are
not fetched, the others once. What is attached to an image under other tags
(signatures, SBOMs) is not copied.

A tag of a full version (1.27.3) that names another image at DST stays there;
--immutable says which tags do.

One DST that fails does not stop the others; the same command again sends only
what is missing.`

const copyExample = `  imgbuild copy registry.example.com/base/golang:1.27 mirror.example.com/base/golang
  imgbuild copy golang.tar eu.example.com/base/golang us.example.com/base/golang
  imgbuild copy registry.example.com/node:24 embedded/node:24 --platform linux/arm64
  imgbuild copy ./layout:1.27-slim registry.example.com/base/golang --plan`

// copying is what `imgbuild copy` was asked for.
type copying struct {
	platform  string
	plan      bool
	immutable immutable

	from source.Name
	to   []address.Reference
}

func newCopy(g *global) *cobra.Command {
	c := &copying{}
	cmd := &cobra.Command{
		Use:     "copy SRC DST...",
		Short:   "Copy an image from a registry or an OCI layout to registries",
		Long:    copyLong,
		Example: copyExample,
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 0 {
				return nil, cobra.ShellCompDirectiveDefault // a layout
			}
			return []string{address.Embedded + "/"}, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := c.parse(args); err != nil {
				return usageError{err}
			}
			return c.run(cmd.Context(), g)
		},
	}
	cmd.Flags().StringVar(&c.platform, "platform", "", "copy the image of this `PLATFORM` only, such as linux/amd64; all unless set")
	cmd.Flags().BoolVar(&c.plan, "plan", false, "say what would be sent where, and send nothing")
	c.immutable.register(cmd.Flags())
	completeImmutable(cmd)
	if err := cmd.RegisterFlagCompletionFunc("platform", cobra.FixedCompletions([]string{"linux/amd64", "linux/arm64"}, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // the flag was never registered
	}
	return cmd
}

func (c *copying) parse(args []string) (err error) {
	if len(args) < 2 {
		return errors.New("copy wants a source and at least one destination: imgbuild copy SRC DST...; see imgbuild copy --help")
	}
	if n := strings.Count(c.platform, "/"); c.platform != "" && (n < 1 || n > 2) {
		return fmt.Errorf("--platform %q: write OS/ARCHITECTURE, such as linux/arm64", c.platform)
	}
	if c.from, err = source.Parse(args[0]); err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, a := range args[1:] {
		r, err := address.ParseReference(a)
		switch {
		case err != nil:
			return err
		case r.Digest.Hex != "":
			return fmt.Errorf("%s: a destination has no digest, for that of the source stays; leave it out", a)
		case seen[r.String()]:
			return fmt.Errorf("%s is there twice", a)
		}
		seen[r.String()] = true
		c.to = append(c.to, r)
	}
	return nil
}

// copied is one line of standard output.
type copied struct {
	Reference string   `json:"reference"` // NAME[:TAG]@DIGEST
	Source    string   `json:"source"`
	Tags      []string `json:"tags"`
	// Kept are immutable tags that name another image there. They are not in
	// Tags.
	Kept      []string `json:"kept,omitempty"`
	Digest    string   `json:"digest"`
	Platforms []string `json:"platforms,omitempty"`
	Size      int64    `json:"size"` // of all blobs, in bytes
	Sent      int64    `json:"sent"` // of blobs, in bytes
	Unchanged bool     `json:"unchanged"`
}

func (c *copying) run(ctx context.Context, g *global) error {
	s, _, _, err := g.open()
	if err != nil {
		return err
	}
	stop, err := c.serve(ctx, s)
	if err != nil {
		return err
	}
	defer stop()
	var plans []push.DestinationPlan
	var done []copied
	err = g.show(ctx, func(ctx context.Context) error {
		keychain, err := pullKeychain()
		if err != nil {
			return err
		}
		opts := []source.Option{image.Keychain(keychain)}
		if g.offline {
			opts = append(opts, image.Offline())
		}
		src, err := source.Open(ctx, s, c.from, c.platform, opts...)
		if err != nil {
			return err
		}
		defer src.Close()
		p, err := newPusher(src.Memory(push.StoreMemory(s)))
		if err != nil {
			return err
		}
		all := c.destinations(src)
		if c.plan {
			plans, err = p.Plan(ctx, all)
			return err
		}
		results, err := p.PushAll(ctx, all)
		if isCorrupt(err) {
			// A blob of the store was damaged and is gone now: fetch it again.
			results, err = p.PushAll(ctx, all)
		}
		for i, r := range results {
			if r[0].Reference != "" {
				g.noteKept(all[i].Images[0].Repository.Name(), r[0].Kept)
				done = append(done, c.result(src, all[i].Images[0], r[0]))
			}
		}
		return err
	})
	if _, some := errors.AsType[*push.PartialError](err); err != nil && !some {
		return err
	}
	if c.plan {
		return g.printPlan(plans)
	}
	return errors.Join(g.printCopied(done), err)
}

func (c *copying) destinations(src *source.Source) (all []push.Destination) {
	for _, to := range c.to {
		tags := src.Tags
		if to.Tag != "" {
			tags = []string{to.Tag}
		}
		all = append(all, push.Destination{Name: to.String(), Images: []push.Request{{
			Image: src.Image, Index: src.Index, Repository: to.Repository, Tags: tags, Immutable: c.immutable.Of(tags),
		}}})
	}
	return all
}

func (c *copying) result(src *source.Source, rq push.Request, r push.Result) copied {
	return copied{
		Reference: r.Reference, Source: c.from.String(), Tags: without(rq.Tags, r.Kept), Kept: r.Kept, Digest: r.Digest.String(),
		Platforms: src.Platforms, Size: src.Size, Sent: r.SentBytes, Unchanged: r.Unchanged,
	}
}

// serve starts the embedded registry where it is the source or among the
// destinations.
func (c *copying) serve(ctx context.Context, s *store.Store) (stop func(), err error) {
	var embedded []*address.Repository
	if c.from.Path == "" && c.from.Reference.IsEmbedded() {
		embedded = append(embedded, &c.from.Reference.Repository)
	}
	for i := range c.to {
		if c.to[i].IsEmbedded() {
			embedded = append(embedded, &c.to[i].Repository)
		}
	}
	if len(embedded) == 0 {
		return func() {}, nil
	}
	addr, closer, err := registry.ForPush(ctx, registry.DefaultDir(s))
	if err != nil {
		return nil, err
	}
	for _, r := range embedded {
		r.Host, r.Reference = addr, registry.DefaultAddr
	}
	return func() { closer() }, nil
}

func (g *global) printCopied(all []copied) error {
	if g.json {
		return g.printJSON(all)
	}
	for _, c := range all {
		if _, err := fmt.Fprintln(g.stdout, c.Reference); err != nil {
			return err
		}
	}
	return nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"

	"github.com/imgbuild/imgbuild/pkg/address"
	"github.com/imgbuild/imgbuild/pkg/bundle"
	"github.com/imgbuild/imgbuild/pkg/output"
	"github.com/imgbuild/imgbuild/pkg/push"
	"github.com/imgbuild/imgbuild/pkg/store"
)

const bundleLong = `Packs all that an image is made from into an OCI artifact: the definition, its
lock, the keys that verified the archives, every input that the lock names, and
the Go that compiles the shim. A build that is given the bundle takes from it
what no mirror gives any more. With a file and --offline it needs no network:

  imgbuild bundle golang --output golang.tar
  imgbuild golang --offline --bundle golang.tar

NAME is an image inside imgbuild, or the path of an image.yaml or of its folder.
All versions and variants are packed. The bundle goes into the repository of the
image, with the tags bundle and bundle-LOCK, LOCK being the first 16 digits of
the lock's sum. Of the same lock it always has the same digest, and a registry
gets only the inputs that it lacks.

Standard output gets one reference a line, NAME:TAG@DIGEST.`

const bundleExample = `  imgbuild bundle golang --push --registry registry.example.com/base
  imgbuild bundle golang node --push --region cn-hangzhou --namespace my-team
  imgbuild bundle ./ruby --platform linux/amd64 --output ruby.tar
  imgbuild bundle unpack ruby.tar ./ruby-of-2026`

// bundling is what `imgbuild bundle` was asked for.
type bundling struct {
	platforms []string
	output    string
	to        delivery
}

func newBundle(g *global) *cobra.Command {
	b := &bundling{}
	cmd := &cobra.Command{
		Use:               "bundle NAME...",
		Short:             "Keep all that images are made from, in a registry or a file",
		Long:              bundleLong,
		Example:           bundleExample,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			return b.run(cmd.Context(), g, args)
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&b.platforms, "platform", nil, "`PLATFORM`[,PLATFORM…] whose inputs are packed; all unless set")
	f.StringVarP(&b.output, "output", "o", "", "write the bundles to this `FILE`, an OCI layout in a tar; one that does not end in .tar is a folder")
	b.to.registerDestinations(f)
	for flag, complete := range map[string]cobra.CompletionFunc{
		"platform":  completePlatforms,
		"region":    list(address.Regions()),
		"registry":  cobra.FixedCompletions([]string{address.Embedded}, cobra.ShellCompDirectiveNoFileComp),
		"namespace": cobra.NoFileCompletions,
		"instance":  cobra.NoFileCompletions,
	} {
		if err := cmd.RegisterFlagCompletionFunc(flag, complete); err != nil {
			panic(err) // a flag of that name was never registered
		}
	}
	cmd.AddCommand(newUnpack(g))
	return cmd
}

func (b *bundling) check(names []string) error {
	switch {
	case len(names) == 0:
		return usage("no image is named; see imgbuild bundle --help")
	case b.output == "-":
		return usage("--output wants a file: a bundle has to be read from the middle")
	case b.output == "" && !b.to.push && !b.to.plan:
		return usage(`say where the bundle goes:
  --output FILE.tar                 a file
  --push and where to               a registry, as imgbuild --push has it`)
	case b.output != "" && b.to.plan:
		return usage("--plan sends and writes nothing; leave --output out")
	}
	return b.to.check()
}

// bundled is one line of standard output.
type bundled struct {
	Reference string   `json:"reference"` // NAME:TAG@DIGEST
	Name      string   `json:"name"`
	Lock      string   `json:"lock"` // its sum
	Tags      []string `json:"tags"`
	Digest    string   `json:"digest"`
	Platforms []string `json:"platforms"`
	Size      int64    `json:"size"` // of all blobs, in bytes
	Sent      int64    `json:"sent"` // of blobs, in bytes
	Unchanged bool     `json:"unchanged"`
}

// packedBundle is one bundle, made.
type packedBundle struct {
	*bundle.Packed
	definition *definitionWithLock
	digest     v1.Hash
}

func (b *bundling) run(ctx context.Context, g *global, names []string) error {
	if err := b.check(names); err != nil {
		return err
	}
	var wanted []wantedImage
	for _, name := range names {
		d, err := loadDefinition(name)
		if err != nil {
			return err
		}
		wanted = append(wanted, wantedImage{definition: d})
	}
	if err := b.to.checkNames(namesOf(wanted)); err != nil {
		return err
	}
	s, f, m, err := g.open()
	if err != nil {
		return err
	}
	in, err := g.inputs(ctx, s, f, m)
	if err != nil {
		return err
	}
	defer in.close()
	var done []bundled
	err = g.show(ctx, func(ctx context.Context) error {
		packed, err := b.pack(ctx, s, in, wanted)
		if err != nil {
			return err
		}
		work := func() error {
			done, err = b.deliver(ctx, s, packed)
			return err
		}
		err = work()
		if isCorrupt(err) {
			// A blob of the store was damaged and is gone now: fetch it again.
			err = work()
		}
		return explain(ctx, f, s, wanted, err)
	})
	if _, some := errors.AsType[*push.PartialError](err); err != nil && !some {
		return err
	}
	if b.to.plan {
		return g.printPlan(b.to.plans)
	}
	return errors.Join(g.printBundled(done), err)
}

func (b *bundling) pack(ctx context.Context, s *store.Store, in *inputs, wanted []wantedImage) (all []packedBundle, err error) {
	golang, err := golangLock(wanted)
	if err != nil {
		return nil, fmt.Errorf("choosing the Go that compiles the shim: %w", err)
	}
	for _, w := range wanted {
		p, err := bundle.Pack(ctx, s, in, bundle.Request{
			Definition: w.definition.Loaded,
			Lock:       w.definition.lock,
			Platforms:  b.platforms,
			Toolchains: golang.Toolchains(),
		}, in.images...)
		if err != nil {
			return nil, err
		}
		digest, err := p.Image.Digest()
		if err != nil {
			return nil, err
		}
		all = append(all, packedBundle{p, w.definition, digest})
	}
	return all, nil
}

func (b *bundling) deliver(ctx context.Context, s *store.Store, packed []packedBundle) (done []bundled, err error) {
	if b.output != "" {
		if err := b.write(ctx, packed); err != nil {
			return nil, err
		}
		if !b.to.push {
			for _, p := range packed {
				done = append(done, p.result(p.definition.Name+":"+p.Tags[0]+"@"+p.digest.String()))
			}
			return done, nil
		}
	}
	return b.push(ctx, s, packed)
}

// write writes all bundles into one layout, which appears whole or not at all.
func (b *bundling) write(ctx context.Context, packed []packedBundle) error {
	var images []output.Image
	for _, p := range packed {
		if err := p.Fetch(ctx, nil); err != nil {
			return fmt.Errorf("bundling %s: %w", p.definition.Name, err)
		}
		images = append(images, output.Image{Name: p.definition.Name, Tags: p.Tags, Image: p.Image})
	}
	err := output.Write(ctx, output.Spec{Type: output.OCI, Dest: b.output}, nil, images)
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		err = fmt.Errorf("%w; free space there, or name another place: nothing is left of the bundle", err)
	}
	return err
}

func (b *bundling) push(ctx context.Context, s *store.Store, packed []packedBundle) (done []bundled, err error) {
	targets, stop, err := b.to.serving(ctx, s)
	if err != nil {
		return nil, err
	}
	defer stop()
	p, err := newPusher(push.StoreMemory(s))
	if err != nil {
		return nil, err
	}
	var all []push.Destination
	for _, target := range targets {
		to := push.Destination{Name: destinationName(target)}
		for _, one := range packed {
			repository, err := target.Repository(one.definition.Name)
			if err != nil {
				return nil, err
			}
			to.Images = append(to.Images, push.Request{Image: one.Image, Repository: repository, Tags: one.Tags})
		}
		all = append(all, to)
	}
	// What no registry lacks is not fetched either.
	if b.to.plans, err = p.Plan(ctx, all); err != nil || b.to.plan {
		return nil, err
	}
	if err := fetchPlanned(ctx, packed, b.to.plans); err != nil {
		return nil, err
	}
	results, err := p.PushAll(ctx, all)
	for _, to := range results {
		for i, r := range to {
			if r.Reference != "" {
				one := packed[i].result(r.Reference)
				one.Sent, one.Unchanged = r.SentBytes, r.Unchanged
				done = append(done, one)
			}
		}
	}
	return done, err
}

// fetchPlanned brings into the store what is going to be sent.
func fetchPlanned(ctx context.Context, packed []packedBundle, plans []push.DestinationPlan) error {
	send := map[v1.Hash]bool{}
	for _, to := range plans {
		for _, i := range to.Images {
			for _, blob := range i.Blobs {
				send[blob.Digest] = send[blob.Digest] || blob.Action == push.Send
			}
		}
	}
	for _, p := range packed {
		if err := p.Fetch(ctx, func(h v1.Hash) bool { return send[h] }); err != nil {
			return fmt.Errorf("bundling %s: %w", p.definition.Name, err)
		}
	}
	return nil
}

func (p packedBundle) result(reference string) bundled {
	return bundled{
		Reference: reference, Name: p.definition.Name, Lock: p.definition.lock.Sum, Tags: p.Tags,
		Digest: p.digest.String(), Platforms: p.Platforms, Size: p.Size,
	}
}

func (g *global) printBundled(all []bundled) error {
	if g.json {
		return g.printJSON(all)
	}
	for _, b := range all {
		if _, err := fmt.Fprintln(g.stdout, b.Reference); err != nil {
			return err
		}
	}
	return nil
}

func newUnpack(g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "unpack BUNDLE DIR",
		Short: "Write a bundle's definition, lock and keys into a new folder",
		Long: `Writes the definition, its lock and the keys out of a bundle into the folder DIR,
which must not be there yet. The lock must be whole and belong to the definition,
and the bundle must list every input. BUNDLE is a reference or a file, of which
FILE:NAME:TAG or FILE@DIGEST is one bundle of several.

Then imgbuild DIR --bundle BUNDLE builds the image.`,
		Example: "  imgbuild bundle unpack golang.tar ./golang-2026\n  imgbuild bundle unpack registry.example.com/base/golang:bundle ./golang-2026",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usage("unpack wants a bundle and a folder: imgbuild bundle unpack BUNDLE DIR")
			}
			return g.unpack(cmd.Context(), args[0], args[1])
		},
	}
}

func (g *global) unpack(ctx context.Context, ref, dir string) error {
	s, _, _, err := g.open()
	if err != nil {
		return err
	}
	n, stop, err := bundleName(ctx, s, ref)
	if err != nil {
		return usageError{err}
	}
	defer stop()
	pull, err := g.pulling()
	if err != nil {
		return err
	}
	return g.show(ctx, func(ctx context.Context) error {
		b, err := bundle.Open(ctx, s, n, pull...)
		if err != nil {
			return err
		}
		defer b.Close()
		return b.Unpack(ctx, strings.TrimSuffix(dir, "/"))
	})
}

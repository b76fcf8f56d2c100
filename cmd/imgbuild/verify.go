package main

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/imgbuild/imgbuild/pkg/address"
	"github.com/imgbuild/imgbuild/pkg/input/image"
	"github.com/imgbuild/imgbuild/pkg/registry"
	"github.com/imgbuild/imgbuild/pkg/sign"
	"github.com/imgbuild/imgbuild/pkg/store"
	"github.com/imgbuild/imgbuild/pkg/verify"
)

const verifyLong = `Verifies that images are signed by a key, and that the provenance and the bills
of materials attached to them are by that key and about them.

IMAGE is HOST/NAME:TAG or HOST/NAME@DIGEST. KEY is the file of a public key in
PEM form, such as cosign.pub, or env:NAME for an environment variable with it;
where there are several, each image is signed by any of them.

Standard output gets NAME:TAG@DIGEST of each image that is verified; with
--platform the digest is that of the platform's image where only this one is
signed. What is attached to it goes to standard error. An image without a signature fails. So
does one that is signed by another key, or whose signature, provenance or bill
of materials is about another image or was changed. Attestations by other keys
are named and not verified.

With --rebuild each image is built again from the definition and the lock that
its signed provenance names, with this imgbuild, and the digests are compared.
Nothing in the image is run.`

const verifyExample = `  imgbuild verify registry.example.com/base/golang:1.27 --key cosign.pub
  imgbuild verify embedded/golang:1.27 --key cosign.pub --rebuild
  imgbuild verify registry.example.com/base/node:24 --key old.pub --key new.pub --platform linux/amd64`

// verifying is what `imgbuild verify` was asked for.
type verifying struct {
	keySpecs []string
	platform string
	rebuild  bool
	engine   engineFlags

	images []address.Reference
	shown  []string // as they were written
	keys   []crypto.PublicKey
}

func newVerify(g *global) *cobra.Command {
	v := &verifying{}
	cmd := &cobra.Command{
		Use:     "verify IMAGE... --key KEY",
		Short:   "Verify signatures and attestations of images, and rebuild them",
		Long:    verifyLong,
		Example: verifyExample,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{address.Embedded + "/"}, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := v.parse(g, args); err != nil {
				return usageError{err}
			}
			if err := v.engine.check(cmd.Flags().Changed); err != nil {
				return err
			}
			return v.run(cmd.Context(), g)
		},
	}
	cmd.Flags().StringArrayVar(&v.keySpecs, "key", nil, "`KEY` that images are signed with, a public key's file or env:NAME; may be repeated")
	cmd.Flags().StringVar(&v.platform, "platform", "", "look at the image of this `PLATFORM` only, such as linux/amd64; at all unless set")
	cmd.Flags().BoolVar(&v.rebuild, "rebuild", false, "build each image again from its attached source and compare digests")
	v.engine.register(cmd.Flags())
	completeEngine(cmd)
	if err := cmd.RegisterFlagCompletionFunc("platform", cobra.FixedCompletions([]string{"linux/amd64", "linux/arm64"}, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // the flag was never registered
	}
	return cmd
}

func (v *verifying) parse(g *global, args []string) error {
	switch n := strings.Count(v.platform, "/"); {
	case len(args) == 0:
		return errors.New("verify wants at least one image: imgbuild verify IMAGE... --key KEY; see imgbuild verify --help")
	case len(v.keySpecs) == 0:
		return errors.New("--key is missing: give the public key that the images are to be signed with, such as --key cosign.pub")
	case v.platform != "" && (n < 1 || n > 2):
		return fmt.Errorf("--platform %q: write OS/ARCHITECTURE, such as linux/arm64", v.platform)
	case g.offline:
		return errors.New("verify asks registries for signatures, which --offline excludes; leave it out")
	}
	for _, a := range args {
		r, err := address.ParseReference(a)
		switch {
		case err != nil:
			return err
		case r.Tag == "" && r.Digest.Hex == "":
			return fmt.Errorf("%s has no tag and no digest; name the image as %[1]s:TAG", a)
		}
		v.images = append(v.images, r)
		v.shown = append(v.shown, a)
	}
	for _, spec := range v.keySpecs {
		key, err := sign.LoadPublic(spec)
		if err != nil {
			return fmt.Errorf("--key: %w", err)
		}
		v.keys = append(v.keys, key)
	}
	return nil
}

func (v *verifying) run(ctx context.Context, g *global) error {
	s, f, m, err := g.open()
	if err != nil {
		return err
	}
	stop, err := v.serve(ctx, s)
	if err != nil {
		return err
	}
	defer stop()
	in, err := g.inputs(ctx, s, f, m)
	if err != nil {
		return err
	}
	defer in.close()
	var done []verified
	var failed []error
	err = g.show(ctx, func(ctx context.Context) error {
		keychain, err := pullKeychain()
		if err != nil {
			return err
		}
		verifier := &verify.Verifier{Store: s, Keys: v.keys, Registry: []image.Option{image.Keychain(keychain)}}
		for _, ref := range v.images {
			d, err := v.one(ctx, g, verifier, in, ref)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err != nil {
				failed = append(failed, err)
				continue
			}
			done = append(done, d)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := g.printVerified(done); err != nil {
		return err
	}
	if len(failed) > 0 && len(v.images) > 1 {
		failed = append(failed, fmt.Errorf("%d of %d images are not verified", len(failed), len(v.images)))
	}
	return errors.Join(failed...)
}

// one verifies one image.
func (v *verifying) one(ctx context.Context, g *global, verifier *verify.Verifier, in *inputs, ref address.Reference) (verified, error) {
	r, err := verifier.Image(ctx, ref, v.platform)
	if err != nil {
		return verified{}, err
	}
	if v.rebuild {
		if err := rebuild(ctx, g, verifier.Store, &v.engine, in, r); err != nil {
			return verified{}, err
		}
	}
	d := v.result(r)
	d.note(g)
	return d, nil
}

// serve starts the embedded registry where it has one of the images.
func (v *verifying) serve(ctx context.Context, s *store.Store) (stop func(), err error) {
	stop = func() {}
	addr := ""
	for i := range v.images {
		r := &v.images[i]
		if !r.IsEmbedded() {
			continue
		}
		if addr == "" {
			var closer func() error
			if addr, closer, err = registry.ForPush(ctx, registry.DefaultDir(s)); err != nil {
				return stop, err
			}
			stop = func() { closer() }
		}
		r.Repository.Host, r.Repository.Reference = addr, registry.DefaultAddr
	}
	return stop, nil
}

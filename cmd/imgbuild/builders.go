package main

import (
	"context"
	"io"
	"log"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/imgbuild/imgbuild/pkg/buildkit"
)

// builderFlags say which BuildKit daemons are used.
type builderFlags struct {
	addresses []string
	tls       string
}

func (b *builderFlags) register(f *pflag.FlagSet) {
	f.StringArrayVar(&b.addresses, "buildkit", nil, "`ADDRESS` of a BuildKit daemon: unix://, tcp://, docker-container://, podman-container://, kube-pod://, ssh://; may be repeated; else BUILDKIT_HOST, a buildkitd on this machine, or the one inside Docker")
	f.StringVar(&b.tls, "buildkit-tls", "", "`DIR` with ca.pem, cert.pem and key.pem for builders at tcp://")
}

// check reads the addresses. Its errors are those of usage.
func (b *builderFlags) check() ([]buildkit.Address, error) {
	as, err := buildkit.Addresses(b.addresses, b.tls)
	if err != nil {
		return nil, usageError{err}
	}
	return as, nil
}

// dial connects to the builders. Of several, those that do not answer are told
// of and left out. The caller closes the builders.
func (b *builderFlags) dial(ctx context.Context, g *global) ([]*buildkit.Builder, error) {
	as, err := b.check()
	if err != nil {
		return nil, err
	}
	// BuildKit's client and the libraries below it write what they notice to
	// global loggers; what matters of it comes as an error, too.
	logrus.SetOutput(io.Discard)
	log.SetOutput(io.Discard)
	return buildkit.DialAll(ctx, as, func(err error) { g.note("%v", err) })
}

func completeBuilders(c *cobra.Command) {
	schemes := []string{"unix://", "tcp://", "docker-container://", "podman-container://", "kube-pod://", "ssh://"}
	complete(c, "buildkit", cobra.FixedCompletions(schemes, begun))
	complete(c, "buildkit-tls", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return nil, cobra.ShellCompDirectiveFilterDirs
	})
}

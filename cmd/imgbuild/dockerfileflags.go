package main

import (
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/imgbuild/imgbuild/pkg/dockerfile"
)

// dockerfileFlags are those for a function with a Dockerfile.
type dockerfileFlags struct {
	file     string
	args     []string
	target   string
	labels   []string
	contexts []string
	secrets  []string
	ssh      []string
	cache    cacheFlags
	noCache  bool
	pull     bool
	hosts    []string
	network  string
	allow    []string
	bases    baseFlags
	builders builderFlags

	set *pflag.FlagSet // of these alone
}

func (d *dockerfileFlags) register(to *pflag.FlagSet) {
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	f.StringVarP(&d.file, "file", "f", "", "the Dockerfile's `PATH`, - for standard input; else Dockerfile in DIR")
	f.StringArrayVar(&d.args, "build-arg", nil, "`NAME=VALUE` of an ARG, or NAME for the variable of that name; may be repeated")
	f.StringVar(&d.target, "target", "", "the `STAGE` to build; the last one unless set")
	f.StringArrayVar(&d.labels, "label", nil, "`NAME=VALUE` to label the image with; may be repeated")
	f.StringArrayVar(&d.contexts, "build-context", nil, "another folder or image for COPY --from and FROM, `NAME=VALUE`: a path, docker-image://REF, oci-layout://PATH; may be repeated")
	f.StringArrayVar(&d.secrets, "secret", nil, "a secret for RUN --mount=type=secret, as `id=ID,src=PATH` or id=ID,env=NAME; may be repeated")
	f.StringArrayVar(&d.ssh, "ssh", nil, "an SSH agent for RUN --mount=type=ssh, default or `ID=PATH` of a socket or key; may be repeated")
	d.cache.register(f)
	f.BoolVar(&d.noCache, "no-cache", false, "do every step anew")
	f.BoolVar(&d.pull, "pull", false, "look for newer bases where the builder has some")
	f.StringArrayVar(&d.hosts, "add-host", nil, "`HOST:IP` that commands know; may be repeated")
	f.StringVar(&d.network, "network", "default", "the `NETWORK` of commands: default, none, host")
	f.StringSliceVar(&d.allow, "allow", nil, "`PERMISSION` to ask of the builder: network.host, security.insecure")
	d.bases.register(f)
	d.builders.register(f)
	d.set = f
	to.AddFlagSet(f)
}

func (d *dockerfileFlags) complete(c *cobra.Command) {
	complete(c, "network", cobra.FixedCompletions([]string{"default", "none", "host"}, cobra.ShellCompDirectiveNoFileComp))
	complete(c, "allow", list([]string{"network.host", "security.insecure"}))
	completeCache(c)
	complete(c, "secret", cobra.FixedCompletions([]string{"id="}, begun))
	complete(c, "ssh", cobra.FixedCompletions([]string{"default"}, cobra.ShellCompDirectiveNoFileComp))
	for _, flag := range []string{"build-arg", "target", "label", "build-context", "add-host"} {
		complete(c, flag, cobra.NoFileCompletions)
	}
	d.bases.complete(c)
	completeBuilders(c)
}

// build reads the flags. Its errors are those of usage.
func (d *dockerfileFlags) build(context string, platforms []string) (*dockerfile.Build, error) {
	b := &dockerfile.Build{
		Context: context, Platforms: platforms, Target: d.target, NoCache: d.noCache, Pull: d.pull, Allow: d.allow,
		Args: map[string]string{}, Labels: map[string]string{}, Contexts: map[string]string{},
	}
	for _, s := range d.args {
		name, value, ok := strings.Cut(s, "=")
		if name == "" {
			return nil, usage("--build-arg %q: write NAME=VALUE", s)
		}
		if !ok {
			if value, ok = os.LookupEnv(name); !ok {
				continue // as for other builders: the Dockerfile's own value
			}
		}
		b.Args[name] = value
	}
	for _, s := range d.labels {
		name, value, _ := strings.Cut(s, "=")
		if name == "" {
			return nil, usage("--label %q: write NAME=VALUE", s)
		}
		b.Labels[name] = value
	}
	for _, s := range d.contexts {
		name, value, err := dockerfile.ParseContext(s)
		if err != nil {
			return nil, usage("--build-context %w", err)
		}
		b.Contexts[name] = value
	}
	for _, s := range d.secrets {
		secret, err := dockerfile.ParseSecret(s)
		if err != nil {
			return nil, usage("--secret %q: %w", s, err)
		}
		b.Secrets = append(b.Secrets, secret)
	}
	for _, s := range d.ssh {
		agent, err := dockerfile.ParseSSH(s)
		if err != nil {
			return nil, usage("--ssh %q: %w", s, err)
		}
		b.SSH = append(b.SSH, agent)
	}
	for _, s := range d.hosts {
		host, err := dockerfile.ParseHost(s)
		if err != nil {
			return nil, usage("--add-host %w", err)
		}
		b.Hosts = append(b.Hosts, host)
	}
	switch d.network {
	case "default":
	case "none", "host":
		b.Network = d.network
	default:
		return nil, usage("--network %q: the networks are default, none and host", d.network)
	}
	for _, name := range d.allow {
		if !slices.Contains([]string{"network.host", "security.insecure"}, name) {
			return nil, usage("--allow %q: there are network.host and security.insecure", name)
		}
	}
	if b.Epoch = os.Getenv("SOURCE_DATE_EPOCH"); b.Epoch != "" {
		if _, err := strconv.ParseInt(b.Epoch, 10, 64); err != nil {
			return nil, usage("SOURCE_DATE_EPOCH is %q; it has to be seconds since 1970", b.Epoch)
		}
	}
	if err := d.cache.check(); err != nil {
		return nil, err
	}
	b.CacheFrom, b.CacheTo = d.cache.from, d.cache.to
	return b, nil
}

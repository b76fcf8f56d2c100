package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	containerd "github.com/containerd/platforms"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/imgbuild/imgbuild/internal/lazyregexp"
	"github.com/imgbuild/imgbuild/pkg/address"
	"github.com/imgbuild/imgbuild/pkg/dockerfile"
	"github.com/imgbuild/imgbuild/pkg/scaffold"
)

const buildLong = `Builds the image of a function in the folder DIR, by default the working
directory, and writes, loads or pushes it as imgbuild does with base images.

A Dockerfile in DIR, or one named by --file, is built by BuildKit's own
Dockerfile frontend. Without one, a Go, Node.js or TypeScript function is built
in this process, without a daemon.

The image is called as DIR is, with the tag latest, or as --tag says.`

const buildExample = `  imgbuild build examples/golang --local-bases --load
  imgbuild build examples/node --no-dockerfile --load
  imgbuild build -t hello:1.0 --push --region cn-hangzhou --namespace my-team
  imgbuild build -t registry.example.com/team/hello:1.0 --push
  imgbuild build ./api --package ./cmd/api --platform linux/amd64,linux/arm64   without a Dockerfile
  imgbuild build -f Dockerfile.prod --build-arg VERSION=1.0 --target app -o type=oci,dest=hello.tar`

// appFlags are the flags of `imgbuild build`, and what they say.
type appFlags struct {
	tags      []string
	platforms []string
	out       delivery
	// The flags of the two ways.
	dockerfile   dockerfileFlags
	function     functionFlags
	noDockerfile bool

	names []named // of the image, one for each of its repositories
}

func newBuild(g *global) *cobra.Command {
	a := &appFlags{}
	cmd := &cobra.Command{
		Use:     "build [DIR]",
		Short:   "Build a function's image, from its Dockerfile or without one",
		Long:    buildLong,
		Example: buildExample,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usage("build takes one folder, not %d; see imgbuild build --help", len(args))
			}
			return nil
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := "."
			if len(args) > 0 {
				dir = args[0]
			}
			return a.run(cmd.Context(), g, dir)
		},
	}
	a.register(cmd.Flags())
	completeDelivery(cmd, "type=oci,dest=", "type=docker,dest=", "type=local,dest=", "type=tar,dest=")
	complete(cmd, "platform", list([]string{"linux/amd64", "linux/arm64"}))
	a.dockerfile.complete(cmd)
	a.function.complete(cmd)
	return cmd
}

func (a *appFlags) register(f *pflag.FlagSet) {
	f.StringArrayVarP(&a.tags, "tag", "t", nil, "what the image is called, `NAME`[:TAG] or HOST/NAME[:TAG]; may be repeated; without it the folder's name and latest")
	f.StringSliceVar(&a.platforms, "platform", []string{defaultPlatform}, "`PLATFORM`[,PLATFORM…] to build for; several make one index")
	a.out.register(f)
	f.BoolVar(&a.noDockerfile, "no-dockerfile", false, "build without a Dockerfile where DIR has one, too")
	a.dockerfile.register(f)
	a.function.register(f)
}

// run builds the folder in the way that it asks for.
func (a *appFlags) run(ctx context.Context, g *global, dir string) error {
	if err := checkFolder(dir); err != nil {
		return err
	}
	file := a.dockerfile.file
	if file == "" && !dockerfile.URL(dir) && !a.noDockerfile {
		var err error
		if file, err = findDockerfile(dir); err != nil {
			return err
		}
		if file != "" && len(given(a.dockerfile.set)) == 0 && unfilled(file) {
			g.warn("%s has yet to get your namespace in the place of %s; the function is built without it, as with --no-dockerfile", file, scaffold.Namespace)
			file = ""
		}
	}
	hasDockerfile := file != "" || dockerfile.URL(dir)
	fromDockerfile, fromFunction := given(a.dockerfile.set), given(a.function.set)
	switch {
	case a.noDockerfile && hasDockerfile:
		return usage("--no-dockerfile goes with neither --file nor a URL; leave one of them out")
	case a.noDockerfile && len(fromDockerfile) > 0:
		return usage("%s is for a Dockerfile; leave it or --no-dockerfile out", fromDockerfile[0])
	case !hasDockerfile && len(fromDockerfile) > 0:
		return usage("%s is for a Dockerfile, and %s has none; name one with --file", fromDockerfile[0], dir)
	case hasDockerfile && len(fromFunction) > 0:
		return usage("%s is for functions without a Dockerfile, and %s has one; say it there, or add --no-dockerfile", fromFunction[0], dir)
	}
	if hasDockerfile {
		var err error
		if a.out.outputs, a.out.trees, err = takeWritings(a.out.outputs); err != nil {
			return err
		}
	}
	if err := a.check(dir); err != nil {
		return err
	}
	if hasDockerfile {
		return buildDockerfile(ctx, g, a, dir, file)
	}
	return buildFunction(ctx, g, a, dir)
}

// given are the flags of a set that the command line has.
func given(set *pflag.FlagSet) (names []string) {
	set.VisitAll(func(f *pflag.Flag) {
		if f.Changed {
			names = append(names, "--"+f.Name)
		}
	})
	return names
}

// check reads the flags that both ways have. Its errors are those of usage.
func (a *appFlags) check(dir string) (err error) {
	if a.platforms, err = checkPlatforms(a.platforms); err != nil {
		return err
	}
	if a.names, err = parseNames(a.tags, dir); err != nil {
		return err
	}
	if err := a.ownRegistries(); err != nil {
		return err
	}
	if err := a.out.check(); err != nil {
		return err
	}
	return a.out.checkNames(a.names)
}

func checkFolder(dir string) error {
	if dockerfile.URL(dir) {
		return nil
	}
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return usage("there is no folder %s; give the folder that the function is in", dir)
	case err != nil:
		return err
	case !info.IsDir():
		return usage("%s is a file; give the folder that the function is in, and a Dockerfile of another name with --file", dir)
	}
	return nil
}

// platformPattern is OS/ARCHITECTURE[/VARIANT].
var platformPattern = lazyregexp.New(`^[a-z0-9]+/[a-z0-9_]+(/[a-z0-9.]+)?$`)

// checkPlatforms writes them as builders and definitions do, linux/arm64 for
// linux/arm64/v8, and drops repeated ones.
func checkPlatforms(given []string) (out []string, err error) {
	for _, s := range given {
		if !platformPattern().MatchString(s) {
			return nil, usage("--platform %q: write OS/ARCHITECTURE, such as linux/arm64", s)
		}
		parsed, err := containerd.Parse(s)
		if err != nil {
			return nil, usage("--platform %q: %w; write OS/ARCHITECTURE, such as linux/arm64", s, err)
		}
		p := containerd.Format(containerd.Normalize(parsed))
		if !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	if len(out) == 0 {
		return nil, usage("--platform is empty; write OS/ARCHITECTURE, such as linux/amd64")
	}
	return out, nil
}

// parseNames reads the --tag flags, one entry a repository.
func parseNames(tags []string, dir string) (names []named, err error) {
	if len(tags) == 0 {
		name, err := folderName(dir)
		if err != nil {
			return nil, err
		}
		tags = []string{name}
	}
	for _, t := range tags {
		host, name, tag, err := parseTag(t)
		if err != nil {
			return nil, usage("--tag %q: %w", t, err)
		}
		i := slices.IndexFunc(names, func(n named) bool { return n.host == host && n.name == name })
		if i < 0 {
			i = len(names)
			names = append(names, named{host: host, name: name, tag: tag})
		}
		if slices.Contains(names[i].tags, tag) {
			return nil, usage("--tag %q is there twice", t)
		}
		names[i].tags = append(names[i].tags, tag)
	}
	return names, nil
}

// parseTag reads [HOST/]NAME[:TAG]. What stands before the first slash is a
// host where it looks like one, as for every client.
func parseTag(s string) (host, name, tag string, err error) {
	if strings.Contains(s, "@") {
		return "", "", "", errors.New("a name has no digest: that comes out of the build")
	}
	name, tag = splitRef(s)
	switch {
	case tag == "" && strings.HasSuffix(s, ":"):
		return "", "", "", errors.New("the tag is empty; write NAME:TAG")
	case tag == "":
		tag = "latest"
	}
	if err := address.CheckTag(tag); err != nil {
		return "", "", "", err
	}
	if first, rest, ok := strings.Cut(name, "/"); ok && (strings.ContainsAny(first, ".:") || first == "localhost" || first == address.Embedded) {
		host, name = first, rest
		_, err = address.ParseReference(s)
		return host, name, tag, err
	}
	_, err = address.Registry{}.Repository(name)
	return "", name, tag, err
}

// folderName is what an image without a name is called.
func folderName(dir string) (string, error) {
	abs := dir
	if dockerfile.URL(dir) {
		// https://example.com/team/hello.git#main is hello.
		abs, _, _ = strings.Cut(abs, "#")
		abs, _, _ = strings.Cut(abs, "?")
		abs = strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(abs, ".git"), ".gz"), ".tar")
	} else {
		var err error
		if abs, err = filepath.Abs(dir); err != nil {
			return "", err
		}
	}
	// Also what is between the parts of a name is one character there.
	name := strings.Trim(unfit().ReplaceAllString(strings.ToLower(filepath.Base(abs)), "-"), "-")
	if name == "" {
		return "", usage("the folder %s gives the image no name; add --tag NAME", abs)
	}
	return name, nil
}

// unfit is what a repository's name does not have.
var unfit = lazyregexp.New(`[^a-z0-9]+`)

// ownRegistries makes the registries that names begin with the destinations.
func (a *appFlags) ownRegistries() error {
	if !a.out.push {
		return nil
	}
	elsewhere := len(a.out.registries) > 0 || len(a.out.regions) > 0
	var own, none []string
	for _, n := range a.names {
		if n.host == "" {
			none = append(none, n.name)
			continue
		}
		own = append(own, n.repository())
		if !slices.ContainsFunc(a.out.targets, func(r address.Registry) bool { return r.Host == n.host }) {
			a.out.targets = append(a.out.targets, address.Registry{Host: n.host})
		}
	}
	switch {
	case len(own) > 0 && elsewhere:
		return usage("--tag %s names a registry already; leave out --registry and --region, or the host in the name", own[0])
	case len(own) > 0 && len(none) > 0:
		return usage("--tag %s names no registry, and --tag %s does; name one in each, or in none and add --registry", none[0], own[0])
	}
	return nil
}

// finish gives the images, one a platform, the names that were asked for.
func (a *appFlags) finish(images []v1.Image) (out []finished, err error) {
	for _, n := range a.names {
		f, err := finish(n, images, a.platforms)
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/pflag"

	"github.com/imgbuild/imgbuild/pkg/build"
	"github.com/imgbuild/imgbuild/pkg/buildkit"
	"github.com/imgbuild/imgbuild/pkg/container"
	"github.com/imgbuild/imgbuild/pkg/emulator"
	"github.com/imgbuild/imgbuild/pkg/function"
	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/output"
	"github.com/imgbuild/imgbuild/pkg/progress"
	"github.com/imgbuild/imgbuild/pkg/source"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// Runtimes, as --runtime names them.
const (
	runtimeAuto   = "auto"
	runtimeNative = "native"
	runtimeFolder = "folder"
)

var (
	// ociRuntimes run what native does, in its place.
	ociRuntimes = []string{"runc", "crun"}
	// programs have docker's command line.
	programs = []string{"docker", "podman", "nerdctl"}

	runtimes = slices.Concat([]string{runtimeAuto, runtimeNative}, ociRuntimes, programs, []string{runtimeFolder})
)

// withoutDaemon says whether a runtime starts containers by itself, from an image's
// files, without a network.
func withoutDaemon(runtime string) bool {
	return runtime == runtimeNative || slices.Contains(ociRuntimes, runtime)
}

// open makes the runtime of the target. done is called after the emulator has
// been closed.
func (v *invoking) open(ctx context.Context, g *global, t *target) (emulator.Runtime, func() error, error) {
	nothing := func() error { return nil }
	if t.kind == targetFolder && v.runtime == runtimeAuto || v.runtime == runtimeFolder {
		if t.dir == "" || !t.has("bootstrap") && len(t.function.Entrypoint)+len(t.function.Command) == 0 {
			return nil, nil, usage("--runtime folder runs a code package, and %s is none: it has no bootstrap", t.ref)
		}
		return emulator.Folder{Dir: t.dir}, nothing, nil
	}
	if t.kind == targetFolder {
		t.kind = targetBuild // the same package in an image, under its shim
	}
	name, err := v.choose(ctx, t)
	if err != nil {
		return nil, nil, err
	}
	if withoutDaemon(name) {
		return v.openNative(ctx, g, t, name)
	}
	c := emulator.CLI{Program: name, Platform: defaultPlatform, Network: v.network, Image: t.ref}
	switch {
	case t.kind == targetEngine, t.kind == targetSource && t.source.Path == "":
		ports, err := c.ExposedPorts(ctx)
		if err != nil { // it does not have it yet
			err = g.show(ctx, func(ctx context.Context) error {
				step := progress.Start(ctx, "pull "+c.Image, 0)
				err := c.Pull(ctx)
				step.Done(err)
				return err
			})
			if err != nil {
				return nil, nil, err
			}
			if ports, err = c.ExposedPorts(ctx); err != nil {
				return nil, nil, err
			}
		}
		t.listensOn(ports)
	default:
		c.Image = imageName(t)
		err = t.withImage(ctx, g, func(ctx context.Context, _ *store.Store, img v1.Image) error {
			return load(ctx, c, img)
		})
	}
	return c, nothing, err
}

// listensOn takes the port that the image says where nobody has said one and it
// is the only one; the platform does not look at it.
func (t *target) listensOn(ports map[string]struct{}) {
	for p := range ports {
		number, protocol, _ := strings.Cut(p, "/")
		n, err := strconv.Atoi(number)
		if t.function.Port == 0 && len(ports) == 1 && err == nil && (protocol == "tcp" || protocol == "") {
			t.function.Port = n
		}
	}
}

// imageName is what an image is called that is loaded to be called.
func imageName(t *target) string { return "imgbuild-invoke/" + t.function.Name + ":latest" }

// load hands an image to the program.
func load(ctx context.Context, c emulator.CLI, img v1.Image) error {
	config, err := img.ConfigName()
	if err != nil {
		return err
	}
	manifest, err := img.Digest()
	if err != nil {
		return err
	}
	if c.Has(ctx, config.String(), manifest.String()) {
		return nil
	}
	name, tag := splitRef(c.Image)
	r, w := io.Pipe()
	defer r.Close()
	go func() {
		w.CloseWithError(output.Write(ctx, output.Spec{Type: output.Docker, Dest: "-"}, w, []output.Image{{Name: name, Tags: []string{tag}, Image: img}}))
	}()
	return c.Load(ctx, r)
}

// choose says which runtime is to run an image.
func (v *invoking) choose(ctx context.Context, t *target) (string, error) {
	switch {
	case withoutDaemon(v.runtime) && t.kind == targetEngine:
		return "", usage("%s is no image in a registry and no OCI layout, and --runtime %s reads only these; name it with its host, or leave --runtime out", t.ref, v.runtime)
	case v.runtime != runtimeAuto:
		return v.runtime, nil
	}
	var missing []string
	if t.kind != targetEngine && v.network == "" {
		err := container.Available(ctx)
		if err == nil {
			return runtimeNative, nil
		}
		missing = append(missing, "native: "+err.Error())
	}
	for _, p := range programs {
		err := emulator.CLI{Program: p}.Available(ctx)
		if err == nil {
			return p, nil
		}
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		missing = append(missing, err.Error())
	}
	if t.kind == targetEngine {
		return "", fmt.Errorf("nothing here has an image %s: %s; a folder, an OCI layout, or HOST/NAME:TAG in a registry needs none of these", t.ref, strings.Join(missing, "; "))
	}
	return "", fmt.Errorf("nothing here runs containers: %s; without any of them a code package with a bootstrap works: imgbuild invoke DIR --runtime folder", strings.Join(missing, "; "))
}

// openNative unpacks the image, for this process itself or an OCI runtime.
func (v *invoking) openNative(ctx context.Context, g *global, t *target, name string) (_ emulator.Runtime, done func() error, err error) {
	var path string
	if name != runtimeNative {
		if path, err = container.FindRuntime(name); err != nil {
			return nil, nil, fmt.Errorf("%w; --runtime native needs none", err)
		}
	}
	var rootfs *container.Rootfs
	err = t.withImage(ctx, g, func(ctx context.Context, s *store.Store, img v1.Image) error {
		rootfs, err = t.unpack(ctx, s, img)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return emulator.Native{Rootfs: rootfs, Runtime: path}, rootfs.Close, nil
}

// unpack is how the files of a target's image are unpacked: those of a folder
// are edited, and change in the last layer.
func (t *target) unpack(ctx context.Context, s *store.Store, img v1.Image) (*container.Rootfs, error) {
	if t.kind == targetBuild {
		return container.UnpackChanging(ctx, s, img)
	}
	return container.Unpack(ctx, s, img)
}

// withImage makes or opens the image. Its layers can be read until use returns.
func (t *target) withImage(ctx context.Context, g *global, use func(context.Context, *store.Store, v1.Image) error) error {
	given := use
	use = func(ctx context.Context, s *store.Store, img v1.Image) error {
		file, err := img.ConfigFile()
		if err != nil {
			return err
		}
		t.listensOn(file.Config.ExposedPorts)
		return given(ctx, s, img)
	}
	once := func(ctx context.Context) error {
		switch t.kind {
		case targetOwn:
			return t.withOwn(ctx, g, use)
		case targetBuild:
			return t.withBuilt(ctx, g, use)
		}
		s, _, _, err := g.open()
		if err != nil {
			return err
		}
		return withSource(ctx, g, s, t.source, use)
	}
	if t.kind == targetBuild && t.dockerfile != "" {
		err := t.withDockerfile(ctx, g, use) // it shows its own progress
		none, ok := errors.AsType[*buildkit.UnreachableError](err)
		if !ok || none.Address.URL != buildkit.Docker || !t.sources() {
			return err
		}
		g.warn("no BuildKit is reachable here, so %s is built without its Dockerfile", t.dir)
	}
	return g.show(ctx, func(ctx context.Context) error {
		err := once(ctx)
		if isCorrupt(err) { // a blob of the store was damaged and is gone now
			err = once(ctx)
		}
		return err
	})
}

func withSource(ctx context.Context, g *global, s *store.Store, n source.Name, use func(context.Context, *store.Store, v1.Image) error) error {
	pull, err := g.pulling()
	if err != nil {
		return err
	}
	if n.Path == "" && n.Reference.IsEmbedded() {
		var stop func()
		if n, stop, err = bundleName(ctx, s, n.Reference.String()); err != nil {
			return err
		}
		defer stop()
	}
	src, err := source.Open(ctx, s, n, defaultPlatform, pull...)
	if err != nil {
		return err
	}
	defer src.Close()
	return use(ctx, s, src.Image)
}

// ownImage selects an image inside imgbuild.
func ownImage(ref string) ([]wantedImage, error) {
	return (&buildFlags{platforms: []string{defaultPlatform}}).selectImages(ref)
}

// withOwn makes an image inside imgbuild.
func (t *target) withOwn(ctx context.Context, g *global, use func(context.Context, *store.Store, v1.Image) error) error {
	wanted, err := ownImage(t.ref)
	if err != nil {
		return err
	}
	s, f, m, err := g.open()
	if err != nil {
		return err
	}
	engine, done, err := g.engine(ctx, s, f, m, layer.Gzip, wanted)
	if err != nil {
		return err
	}
	defer done()
	var requests []build.Request
	for _, p := range wanted[0].Platforms {
		requests = append(requests, build.Request{Definition: wanted[0].definition.Definition, Lock: wanted[0].definition.lock, Image: p})
	}
	built, err := engine.Build(ctx, requests)
	if err != nil {
		return explain(ctx, f, s, wanted, err)
	}
	return use(ctx, s, built[0])
}

// withBuilt builds a folder that has no Dockerfile, as `imgbuild build` does.
func (t *target) withBuilt(ctx context.Context, g *global, use func(context.Context, *store.Store, v1.Image) error) error {
	a, err := t.buildFlags()
	if err != nil {
		return err
	}
	b, err := newFunctionBuild(g, a, t.dir)
	if err != nil {
		return err
	}
	return b.images(ctx, func(ctx context.Context, s *store.Store, images []v1.Image) error { return use(ctx, s, images[0]) })
}

// withDockerfile builds a folder by its Dockerfile.
func (t *target) withDockerfile(ctx context.Context, g *global, use func(context.Context, *store.Store, v1.Image) error) (err error) {
	s, _, _, err := g.open()
	if err != nil {
		return err
	}
	dir, err := s.TempDir("invoke-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	layout := filepath.Join(dir, "image")
	a, err := t.buildFlags("type=oci,dest=" + layout)
	if err != nil {
		return err
	}
	quiet := *g // its result is not ours
	quiet.stdout, quiet.json = io.Discard, false
	if err := buildDockerfile(ctx, &quiet, a, t.dir, t.dockerfile); err != nil {
		return err
	}
	return withSource(ctx, g, s, source.Name{Path: layout}, use)
}

// scripted says whether the target is a code package whose bootstrap is a script.
// The platform has a shell for it.
func (t *target) scripted() bool {
	kind, err := function.Detect(t.dir)
	if err != nil || kind != function.Program || !t.function.CodePackage() || t.dockerfile != "" {
		return false
	}
	f, err := os.Open(filepath.Join(t.dir, "bootstrap"))
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, 2)
	_, err = io.ReadFull(f, head)
	return err == nil && string(head) == "#!"
}

// buildFlags are those of `imgbuild build DIR`.
func (t *target) buildFlags(outputs ...string) (*appFlags, error) {
	a := &appFlags{}
	a.register(pflag.NewFlagSet("build", pflag.ContinueOnError)) // for their defaults
	a.out.outputs = outputs
	a.function.unchecked = t.unchecked
	if t.dockerfile == "" && function.HasHandler(t.dir, t.function.Handler) {
		a.function.take(t.function.Handler)
	}
	if t.scripted() {
		a.function.base = bases[function.Program] // the full one, for slim images have no shell
	}
	a.dockerfile.bases.mode = basesMissing // what is tried here need not be pushed
	return a, a.check(t.dir)
}

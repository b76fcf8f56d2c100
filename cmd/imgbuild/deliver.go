package main

import (
	"context"
	"slices"

	"github.com/spf13/pflag"

	"github.com/imgbuild/imgbuild/pkg/address"
	"github.com/imgbuild/imgbuild/pkg/output"
	"github.com/imgbuild/imgbuild/pkg/push"
	"github.com/imgbuild/imgbuild/pkg/registry"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// delivery is where finished images go.
type delivery struct {
	push       bool
	plan       bool
	registries []string
	regions    []string
	namespace  string
	instances  []string
	vpcRefs    bool
	immutable  immutable
	outputs    []string
	load       bool

	targets []address.Registry
	files   []output.Spec
	plans   []push.DestinationPlan // what --plan found
}

func (d *delivery) register(f *pflag.FlagSet) {
	d.registerDestinations(f)
	d.immutable.register(f)
	f.StringArrayVarP(&d.outputs, "output", "o", nil, "write the images, as `type=TYPE,dest=PATH`: oci for an OCI layout (a folder, or a file where PATH ends in .tar), docker for what docker load reads; PATH - is standard output")
	f.BoolVar(&d.load, "load", false, "load the images into docker or podman")
}

// registerDestinations registers the flags of pushing.
func (d *delivery) registerDestinations(f *pflag.FlagSet) {
	f.BoolVar(&d.push, "push", false, "push to --registry, or to the registries of --region")
	f.BoolVar(&d.plan, "plan", false, "with --push: say what would be sent where, and send nothing")
	f.StringArrayVar(&d.registries, "registry", nil, "`HOST`[:PORT][/NAMESPACE] to push to, or embedded for the built-in registry; may be repeated")
	f.StringSliceVar(&d.regions, "region", nil, "`REGION`[,REGION…] of Alibaba Cloud to push to, such as cn-hangzhou")
	f.StringVar(&d.namespace, "namespace", "", "`NAMESPACE` in the regions' Container Registry")
	f.StringSliceVar(&d.instances, "instance", nil, "Container Registry instance `ID`, as crpi-…, or the name of an enterprise instance; one a region, or one for all")
	f.BoolVar(&d.vpcRefs, "vpc-refs", false, "print references with the VPC host, as templates need them")
}

// check reads the flags. Its errors are those of usage.
func (d *delivery) check() error {
	for _, s := range d.registries {
		r, err := address.Parse(s)
		if err != nil {
			return usageError{err}
		}
		d.targets = append(d.targets, r)
	}
	if len(d.regions) > 0 {
		regional := address.Regional{Regions: d.regions, Namespace: d.namespace, Instances: d.instances, VPCRefs: d.vpcRefs}
		rs, err := regional.Registries()
		if err != nil {
			return usageError{err}
		}
		d.targets = append(d.targets, rs...)
	}
	switch {
	case d.push && len(d.targets) == 0:
		return usage(`--push has no destination; give one of
  --registry HOST[:PORT][/NAMESPACE]               any registry
  --registry embedded                              the built-in one, served by imgbuild registry
  --region REGION[,REGION…] --namespace NAMESPACE  Alibaba Cloud's Container Registry`)
	case !d.push && d.plan:
		return usage("--plan says what --push would do; add --push and where to")
	case d.plan && (len(d.outputs) > 0 || d.load):
		return usage("--plan sends and writes nothing; leave --output and --load out")
	case !d.push && len(d.targets) > 0:
		return usage("a registry is given but not --push; add --push, or leave the registry out")
	case len(d.regions) == 0 && (d.namespace != "" || len(d.instances) > 0 || d.vpcRefs):
		return usage("--namespace, --instance and --vpc-refs belong to --region; add --region, or put the namespace into --registry HOST/NAMESPACE")
	}
	for _, s := range d.outputs {
		spec, err := output.ParseSpec(s)
		if err != nil {
			return usageError{err}
		}
		d.files = append(d.files, spec)
	}
	return nil
}

// checkNames says whether the images have names that the registries take.
func (d *delivery) checkNames(wanted []wantedImage) error {
	for _, t := range d.targets {
		for _, w := range wanted {
			if _, err := t.Repository(w.definition.Name); err != nil {
				return usageError{err}
			}
		}
	}
	return nil
}

// toStdout says that an image itself goes to standard output.
func (d *delivery) toStdout() bool {
	return slices.ContainsFunc(d.files, func(s output.Spec) bool { return s.Dest == "-" })
}

// deliver writes, loads and pushes the images. Without any of these the
// results are only named.
func (d *delivery) deliver(ctx context.Context, g *global, s *store.Store, built []builtImage) ([]result, error) {
	var images []output.Image
	for _, b := range built {
		images = append(images, b.output())
	}
	for _, spec := range d.files {
		if err := output.Write(ctx, spec, g.stdout, images); err != nil {
			return nil, err
		}
	}
	if d.load {
		engine, err := output.Load(ctx, images)
		if err != nil {
			return nil, err
		}
		g.note("loaded into %s", engine)
	}
	if !d.push {
		var results []result
		for _, b := range built {
			results = append(results, b.result(b.definition.Name+":"+b.Tag+"@"+b.digest.String(), nil))
		}
		return results, nil
	}
	return d.pushAll(ctx, g, s, built)
}

func (d *delivery) pushAll(ctx context.Context, g *global, s *store.Store, built []builtImage) ([]result, error) {
	targets, stop, err := d.serving(ctx, s)
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
		for _, b := range built {
			repository, err := target.Repository(b.definition.Name)
			if err != nil {
				return nil, err
			}
			to.Images = append(to.Images, push.Request{
				Image: b.image, Index: b.index, Repository: repository,
				Tags: b.tagsFirst(), Immutable: d.immutable.Of(b.Tags),
			})
		}
		all = append(all, to)
	}
	if d.plan {
		d.plans, err = p.Plan(ctx, all)
		return nil, err
	}
	// What one registry has is a result also where another one failed.
	pushed, err := p.PushAll(ctx, all)
	var results []result
	for i, to := range pushed {
		for j, r := range to {
			if r.Reference != "" {
				g.noteKept(all[i].Images[j].Repository.Name(), r.Kept)
				results = append(results, built[j].result(r.Reference, r.Kept))
			}
		}
	}
	return results, err
}

// destinationName is the region, where that is what was asked for.
func destinationName(r address.Registry) string {
	if r.Region != "" {
		return r.Region
	}
	return r.String()
}

// serving starts the embedded registry where it is among the targets.
func (d *delivery) serving(ctx context.Context, s *store.Store) (targets []address.Registry, stop func(), err error) {
	stop = func() {}
	for _, t := range d.targets {
		if t.IsEmbedded() {
			addr, closer, err := registry.ForPush(ctx, registry.DefaultDir(s))
			if err != nil {
				return nil, stop, err
			}
			before := stop
			stop = func() { closer(); before() }
			t.Host, t.Reference = addr, registry.DefaultAddr
		}
		targets = append(targets, t)
	}
	return targets, stop, nil
}

// tagsFirst returns the image's tags with the one to print in front.
func (b builtImage) tagsFirst() []string {
	tags := []string{b.Tag}
	for _, t := range b.Tags {
		if t != b.Tag {
			tags = append(tags, t)
		}
	}
	return tags
}

// output is the image as package output writes it.
func (b builtImage) output() output.Image {
	return output.Image{Name: b.definition.Name, Tags: b.tagsFirst(), Image: b.image, Index: b.index}
}

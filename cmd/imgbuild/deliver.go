package main

import (
	"context"
	"errors"
	"fmt"

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
	trees   []writing              // outputs of a Dockerfile that are no images
	plans   []push.DestinationPlan // what --plan found
	from    pusher                 // where layers are sent from, nil for here
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
	case d.plan && (len(d.outputs) > 0 || len(d.trees) > 0 || d.load):
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
	if d.onStdout() > 1 {
		return usage("two of --output are standard output, which takes one; give the others a path")
	}
	return nil
}

// checkNames says whether the images have names that the registries take.
func (d *delivery) checkNames(names []named) error {
	for _, t := range d.targets {
		for _, n := range names {
			if _, err := t.Repository(n.name); err != nil {
				return usageError{err}
			}
		}
	}
	return nil
}

// toStdout says that an image itself, or the files in it, go to standard output.
func (d *delivery) toStdout() bool { return d.onStdout() > 0 }

// onStdout counts the outputs that go there.
func (d *delivery) onStdout() (n int) {
	for _, s := range d.files {
		if s.Dest == "-" {
			n++
		}
	}
	for _, w := range d.trees {
		if w.dest == "-" {
			n++
		}
	}
	return n
}

// print prints what was delivered, or planned, and hands on what went wrong.
func (d *delivery) print(g *global, results []result, err error) error {
	if _, some := errors.AsType[*push.PartialError](err); err != nil && !some {
		return err
	}
	if d.toStdout() {
		g.stdout = g.stderr // the output is the result there
	}
	if d.plan {
		return g.printPlan(d.plans)
	}
	return errors.Join(g.printResults(results), err)
}

// deliver writes, loads and pushes the images. Without any of these the
// results are only named.
func (d *delivery) deliver(ctx context.Context, g *global, s *store.Store, built []finished) ([]result, error) {
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
			results = append(results, b.result(b.repository()+":"+b.tag+"@"+b.digest.String(), nil))
		}
		return results, nil
	}
	return d.pushAll(ctx, g, s, built)
}

func (d *delivery) pushAll(ctx context.Context, g *global, s *store.Store, built []finished) ([]result, error) {
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
	sent := make([][]finished, len(targets))
	for i, target := range targets {
		to := push.Destination{Name: destinationName(target)}
		for _, b := range built {
			if b.host != "" && b.host != d.targets[i].Host {
				continue
			}
			repository, err := target.Repository(b.name)
			if err != nil {
				return nil, err
			}
			to.Images = append(to.Images, push.Request{
				Image: b.image, Index: b.index, Repository: repository,
				Tags: b.tagsFirst(), Immutable: d.immutable.Of(b.tags),
			})
			sent[i] = append(sent[i], b)
		}
		all = append(all, to)
	}
	if d.plan {
		d.plans, err = p.Plan(ctx, all)
		return nil, err
	}
	// What one registry has is a result also where another one failed.
	var pushed [][]push.Result
	if d.from != nil {
		pushed, err = pushFrom(ctx, d.from, p, all)
	} else {
		pushed, err = p.PushAll(ctx, all)
	}
	var results []result
	for i, to := range pushed {
		for j, r := range to {
			if r.Reference != "" {
				g.noteKept(all[i].Images[j].Repository.Name(), r.Kept)
				results = append(results, sent[i][j].result(r.Reference, r.Kept))
			}
		}
	}
	return results, err
}

// pusher is push.Pusher, or what sends from elsewhere.
type pusher interface {
	PushAll(ctx context.Context, ds []push.Destination) ([][]push.Result, error)
}

// pushFrom sends images from elsewhere, and compares then from here what their
// tags name.
func pushFrom(ctx context.Context, from pusher, check *push.Pusher, all []push.Destination) ([][]push.Result, error) {
	pushed, err := from.PushAll(ctx, all)
	errs := []error{err}
	for i, to := range pushed {
		for j, r := range to {
			if r.Reference == "" {
				continue
			}
			for _, tag := range without(all[i].Images[j].Tags, r.Kept) {
				repository := all[i].Images[j].Repository
				got, e := check.Resolve(ctx, repository, tag)
				if e == nil && got != r.Digest {
					e = fmt.Errorf("%s:%s names %s, though the builder pushed %s", repository.Name(), tag, got, r.Digest)
				}
				if e != nil {
					errs = append(errs, e)
					pushed[i][j] = push.Result{} // not what it says
				}
			}
		}
	}
	return pushed, errors.Join(errs...)
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

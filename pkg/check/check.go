package check

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/container"
	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/emulator"
	"github.com/imgbuild/imgbuild/pkg/prove"
	"github.com/imgbuild/imgbuild/pkg/store"
	"github.com/imgbuild/imgbuild/pkg/template"
)

// Subject is what is checked.
type Subject struct {
	// Name is what its user calls it.
	Name  string
	Image v1.Image
	// Function is what the template says, or the zero value with a port.
	Function template.Function
	// Template has what is to be found in the template itself; nil where there
	// is none.
	Template []template.Finding
}

// Options say how images are checked.
type Options struct {
	// Store keeps the unpacked image.
	Store *store.Store
	// Unpack unpacks the image there, nil for container.Unpack.
	Unpack func(context.Context, *store.Store, v1.Image) (*container.Rootfs, error)
	// Ready is how long the container may take until it listens, 0 for the
	// platform's 120 s; Idle how long a connection is left alone for the rule
	// keep-alive, 0 for 6 s (Node.js' own limit is 5).
	Ready, Idle time.Duration
	// Static leaves out all that starts the container.
	Static bool
	// Prove tries the suite of the shim on a base image, which has no program
	// yet. nil: it is not tried.
	Prove func(context.Context, v1.Image) (prove.Proof, error)
}

// checker checks one image.
type checker struct {
	Options
	image    v1.Image
	config   *v1.ConfigFile
	function template.Function
	rootfs   *container.Rootfs // nil with Static
	events   bool              // its template has no HTTP trigger
	web      bool              // its template has HTTP triggers alone
	results  []Result
}

// Image checks an image. The error is about this machine or about reading the
// image, never about what is wrong with it: it wraps container.ErrUnavailable
// where this machine does not let imgbuild run containers.
func Image(ctx context.Context, s Subject, o Options) (r Report, err error) {
	if o.Idle == 0 {
		o.Idle = 6 * time.Second
	}
	if o.Unpack == nil {
		o.Unpack = container.Unpack
	}
	c := &checker{Options: o, image: s.Image, function: s.Function}
	others := slices.DeleteFunc(slices.Clone(s.Function.Triggers), func(t template.Trigger) bool { return strings.EqualFold(t.Type, "http") })
	c.events = s.Template != nil && len(others) == len(s.Function.Triggers)
	c.web = s.Template != nil && len(s.Function.Triggers) > 0 && len(others) == 0
	if c.config, err = s.Image.ConfigFile(); err != nil {
		return r, fmt.Errorf("reading the image's configuration: %w", err)
	}
	digest, err := s.Image.Digest()
	if err != nil {
		return r, fmt.Errorf("reading the image: %w", err)
	}
	runs := platform(c.config).Status == Passed
	if !o.Static && runs {
		if err := container.Available(ctx); err != nil {
			return r, err
		}
		if c.rootfs, err = o.Unpack(ctx, o.Store, s.Image); err != nil {
			return r, fmt.Errorf("unpacking the image: %w", err)
		}
		defer func() { err = errors.Join(err, c.rootfs.Close()) }()
	}
	if err := c.static(ctx); err != nil {
		return r, err
	}
	switch {
	case c.rootfs == nil && o.Static:
		c.skip(dynamic, "the container was not started")
	case c.rootfs == nil:
		c.skip(dynamic, "no other platform's container is started")
	case c.program().Status == Failed:
		c.skip(dynamic, "there is nothing to start")
	case c.isBase():
		c.skip(dynamic, "it is a base image, without a program yet")
		err = c.conform(ctx)
	default:
		err = c.run(ctx, emulator.Native{Rootfs: c.rootfs})
	}
	if err != nil {
		return r, err
	}
	if s.Template != nil {
		c.results = append(c.results, ofFindings(s.Template, c.startsShimOfImage())...)
	}
	return Report{Subject: s.Name, Digest: digest.String(), Results: c.results}, nil
}

// Template is the report of a function whose image is not at hand. why is what
// the rules about images say of it; where it is "" they are left out.
func Template(name string, found []template.Finding, why string) Report {
	r := Report{Subject: name}
	if why != "" {
		for _, rule := range slices.Concat(unstarted, dynamic) {
			x := skipped("%s", why)
			x.Rule = rule.Name
			r.Results = append(r.Results, x)
		}
	}
	r.Results = append(r.Results, ofFindings(found, true)...)
	return r
}

func (c *checker) add(rule Rule, r Result) {
	r.Rule = rule.Name
	c.results = append(c.results, r)
}

func (c *checker) skip(rules []Rule, why string) {
	for _, r := range rules {
		c.add(r, skipped("%s", why))
	}
}

// startsShimOfImage says whether the image's own entrypoint is the shim.
func (c *checker) startsShimOfImage() bool {
	e := c.config.Config.Entrypoint
	return len(e) > 0 && e[0] == definition.ShimPath
}

// isBase says whether the image is for others to begin from: it has the shim,
// and nothing for it to start.
func (c *checker) isBase() bool {
	if !c.startsShim() || len(c.command()) > 0 {
		return false
	}
	code, err := c.rootfs.Open("/code")
	if err != nil {
		return true
	}
	defer code.Close()
	names, _ := code.Readdirnames(1)
	return len(names) == 0
}

// conform tries the shim's own suite on a base image.
func (c *checker) conform(ctx context.Context) error {
	if c.Prove == nil {
		c.add(ruleConform, skipped("it was not asked for"))
		return nil
	}
	begun := time.Now()
	p, err := c.Prove(ctx, c.image)
	if err != nil {
		return err
	}
	var r Result
	switch p.Status {
	case prove.Passed:
		r = passed("the shim keeps %d rules, and %d do not concern this image", p.Rules, len(p.Skipped))
	case prove.Skipped:
		r = skipped("%s", p.Reason)
	}
	r.Took = time.Since(begun)
	if len(p.Failures) == 0 {
		c.add(ruleConform, r)
	}
	for _, f := range p.Failures {
		r := failed("build the image again with this imgbuild; if that does not help, it is imgbuild's fault: report it", "%s: %s: %v", f.Rule, f.Doc, f.Why)
		r.Log = f.Log
		c.add(ruleConform, r)
	}
	return nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/imgbuild/imgbuild/pkg/address"
	"github.com/imgbuild/imgbuild/pkg/deploy"
	"github.com/imgbuild/imgbuild/pkg/input/image"
	"github.com/imgbuild/imgbuild/pkg/template"
)

const deployLong = `Creates functions in Function Compute, or updates them, as a template.yaml or a
s.yaml says, with the image pinned by its digest: a tag is resolved in its
registry first.

DIR is the folder of the template, this one unless given, and FUNCTION one of
its functions; all of them unless any is named. Waits until the image is ready,
sends one test request, then makes the HTTP triggers. A function that fails is
put back to what it was. Nothing is done where nothing differs.

With --rollback a function goes to the digest before its last deployment. That
needs no template where FUNCTION and --region are given.

Credentials of Alibaba Cloud are found as for pushes. The permissions that each
step needs are in docs/deploy.md. imgbuild has not met the cloud's own endpoint
yet: it is tested against one that is written from the documentation.

Standard output gets a line for each function: its name, what was done, its
image. With --json it is a list of objects. Values of environment variables are
never shown.`

const deployExample = `  imgbuild deploy                               the template in this folder
  imgbuild deploy --plan                        say what would change
  imgbuild deploy ./hello --image registry.cn-hangzhou.aliyuncs.com/team/hello:1.4
  imgbuild deploy -t s.yaml hello --event '{"name":"test"}'
  imgbuild deploy hello --rollback --region cn-hangzhou`

// deploying is what `imgbuild deploy` was asked for.
type deploying struct {
	template   string
	image      string
	region     string
	endpoint   string
	event      string
	eventFile  string
	plan       bool
	rollback   bool
	noTest     bool
	noRollback bool
	pins       bool
	timeout    time.Duration

	from      string // the template, or its folder
	functions []template.Function
	body      []byte
}

func newDeploy(g *global) *cobra.Command {
	d := &deploying{}
	cmd := &cobra.Command{
		Use:     "deploy [DIR] [FUNCTION...]",
		Short:   "Create or update functions in Function Compute",
		Long:    deployLong,
		Example: deployExample,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := d.parse(g, cmd.Flags().Changed, args); err != nil {
				return usageError{err}
			}
			return d.run(cmd.Context(), g)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&d.template, "template", "t", "", "`TEMPLATE` to read, a template.yaml or s.yaml, in place of DIR's")
	f.StringVar(&d.image, "image", "", "`IMAGE` of the function in place of the template's, HOST/NAME:TAG or HOST/NAME@DIGEST")
	f.StringVar(&d.region, "region", "", "`REGION` in place of the template's, such as cn-hangzhou")
	f.BoolVar(&d.plan, "plan", false, "say what would change, and change nothing")
	f.BoolVar(&d.rollback, "rollback", false, "go to the digest before the last deployment")
	f.StringVar(&d.event, "event", "", "`EVENT` of the test request; empty unless set")
	f.StringVar(&d.eventFile, "event-file", "", "`FILE` with the event of the test request")
	f.BoolVar(&d.noTest, "no-test", false, "send no test request")
	f.BoolVar(&d.noRollback, "no-rollback", false, "leave a function that fails as it is")
	f.BoolVar(&d.pins, "pin", false, "write the image's digest into the template when it is deployed")
	f.DurationVar(&d.timeout, "timeout", deploy.DefaultTimeout, "`TIME` for each function, such as 20m, until it is ready and tried")
	f.StringVar(&d.endpoint, "endpoint", "", "`URL` of the API in place of the region's, such as a gateway's")
	complete(cmd, "region", cobra.FixedCompletions(address.Regions(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (d *deploying) parse(g *global, changed func(string) bool, args []string) error {
	switch {
	case d.rollback && (d.image != "" || d.noRollback):
		return errors.New("--rollback takes the image that was there before; leave out --image and --no-rollback")
	case changed("event") && d.eventFile != "":
		return errors.New("--event and --event-file exclude each other")
	case d.noTest && (changed("event") || d.eventFile != ""):
		return errors.New("an event is for the test request, which --no-test leaves out")
	case d.pins && d.plan:
		return errors.New("--plan changes nothing, and --pin the template; leave one out")
	case d.timeout <= 0:
		return errors.New("--timeout wants a time, such as 20m")
	case g.offline:
		return errors.New("deploy asks Function Compute, which --offline excludes; leave it out")
	}
	if d.region != "" {
		if err := address.CheckRegion(d.region); err != nil {
			return err
		}
	}
	d.body = []byte(d.event)
	if d.eventFile != "" {
		var err error
		if d.body, err = os.ReadFile(d.eventFile); err != nil {
			return fmt.Errorf("--event-file: %w", err)
		}
	}
	return d.choose(args)
}

// choose reads the template, and picks the functions that are named.
func (d *deploying) choose(args []string) error {
	from, names := ".", args
	switch {
	case d.template != "":
		if len(args) > 0 && strings.ContainsAny(args[0], `/.`) {
			return fmt.Errorf("%s and --template name two templates; leave one out", args[0])
		}
		from = d.template // so that a word is a function, also where there is a folder of that name
	case len(args) > 0 && isFolder(args[0]):
		from, names = args[0], args[1:]
	}
	d.from = from
	names = unique(names)
	all, err := template.Load(from)
	if err != nil {
		// Nothing of a template is needed to go back.
		if d.rollback && d.region != "" && len(names) > 0 && from == "." {
			for _, n := range names {
				d.functions = append(d.functions, template.Function{Name: n, Region: d.region})
			}
			return nil
		}
		return err
	}
	for _, n := range names {
		before := len(d.functions)
		for _, f := range all { // services and regions may have several of a name
			if f.Name == n {
				d.functions = append(d.functions, f)
			}
		}
		if len(d.functions) == before {
			return fmt.Errorf("%s has no function %q; it has %s", from, n, strings.Join(functionNames(all), ", "))
		}
	}
	if len(names) == 0 {
		d.functions = all
	}
	if d.image != "" && len(d.functions) != 1 {
		return fmt.Errorf("--image is for one function; name it: %s", strings.Join(functionNames(all), ", "))
	}
	for i := range d.functions {
		if d.image != "" {
			d.functions[i].Image = d.image
		}
		if d.region != "" {
			d.functions[i].Region = d.region
		}
		if d.rollback {
			d.functions[i] = goingBack(d.functions[i])
		}
	}
	return nil
}

// goingBack leaves out what a rollback does not touch, so that it is not refused
// for it: the image that the template names, or lacks, is not the one that runs.
// It may still be what says the region.
func goingBack(f template.Function) template.Function {
	if r, err := address.ParseReference(f.Image); err == nil && f.Region == "" {
		if a, ok := address.ParseACR(r.Repository.Host); ok {
			f.Region = a.Region
		}
	}
	f.Image, f.Runtime, f.Role = "", "", ""
	return f
}

func isFolder(arg string) bool {
	if strings.ContainsAny(arg, `/.`) {
		return true
	}
	info, err := os.Stat(arg)
	return err == nil && info.IsDir()
}

// unique leaves out what is there for the second time.
func unique(names []string) (left []string) {
	for _, n := range names {
		if !slices.Contains(left, n) {
			left = append(left, n)
		}
	}
	return left
}

func functionNames(all []template.Function) (names []string) {
	for _, f := range all {
		names = append(names, f.Name)
	}
	return names
}

func (d *deploying) run(ctx context.Context, g *global) error {
	deployer, err := d.deployer(g)
	if err != nil {
		return err
	}
	var all []*deploy.Deployment
	for _, f := range d.functions {
		p, err := deployer.Function(f)
		if err != nil {
			return usageError{err}
		}
		all = append(all, p)
	}
	if err := d.apart(all); err != nil {
		return usageError{err}
	}
	var plans []*deploy.Changes
	var results []*deploy.Result
	var pins []deployed
	var failed []error
	err = g.show(ctx, func(ctx context.Context) error {
		for n, p := range all {
			c, r, err := d.each(ctx, g, p)
			switch {
			case err != nil && ctx.Err() != nil:
				g.note("%v", err) // how a function is left; what is returned is why
				return context.Cause(ctx)
			case err != nil:
				failed = append(failed, err)
			case c != nil:
				plans = append(plans, c)
			default:
				results = append(results, r)
				pins = append(pins, deployed{d.functions[n], r})
			}
		}
		return nil
	})
	if err == nil {
		err = errors.Join(failed...)
		if len(failed) > 0 && len(all) > 1 {
			err = fmt.Errorf("%w\n%d of %d functions failed", err, len(failed), len(all))
		}
	}
	if d.plan {
		return errors.Join(g.printChanges(plans), err)
	}
	if d.pins && len(results) > 0 {
		err = errors.Join(err, d.pin(g, pins))
	}
	return errors.Join(g.printDeployed(results), err)
}

// apart refuses functions that are one on the platform: Function Compute 3.0 has
// no services, which tell functions of one name apart in a template.
func (d *deploying) apart(all []*deploy.Deployment) error {
	place := func(f template.Function) string {
		at := fmt.Sprintf("%s:%d", f.File, f.Line)
		if f.Service != "" {
			at += " (service " + f.Service + ")"
		}
		return at
	}
	seen := map[[2]string]template.Function{}
	for i, f := range d.functions {
		region := all[i].Region()
		first, there := seen[[2]string{region, f.Name}]
		switch {
		case there && region == "":
			return fmt.Errorf("%s and %s both are the function %s of one region, where the second would overwrite the first; give one of them another name", place(first), place(f), f.Name)
		case there:
			return fmt.Errorf("%s and %s both are the function %s in %s, where the second would overwrite the first; give one of them another name or region", place(first), place(f), f.Name, region)
		}
		seen[[2]string{region, f.Name}] = f
	}
	return nil
}

func (d *deploying) deployer(g *global) (*deploy.Deployer, error) {
	s, _, _, err := g.open()
	if err != nil {
		return nil, err
	}
	keychain, err := pullKeychain()
	if err != nil {
		return nil, err
	}
	opts := []deploy.Option{deploy.WithResolver(deploy.Registry(s, image.Keychain(keychain)))}
	if d.endpoint != "" {
		opts = append(opts, deploy.WithEndpoint(d.endpoint))
	}
	deployer, err := deploy.New(opts...)
	if err != nil {
		return nil, usageError{err}
	}
	return deployer, nil
}

// each plans or deploys one function, and tells what there is to tell.
func (d *deploying) each(ctx context.Context, g *global, p *deploy.Deployment) (*deploy.Changes, *deploy.Result, error) {
	if d.plan {
		c, err := d.planOf(ctx, p)
		if c != nil {
			tell(g, c.Function, c.Notes)
		}
		return c, nil, err
	}
	r, err := d.one(ctx, p)
	if r != nil {
		tell(g, r.Function, r.Notes)
		tellTest(g, r, err)
	}
	return nil, r, err
}

func (d *deploying) planOf(ctx context.Context, p *deploy.Deployment) (*deploy.Changes, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, d.timeout, fmt.Errorf("no plan in %s; --timeout gives more", d.timeout))
	defer cancel()
	if d.rollback {
		return p.PlanRollback(ctx)
	}
	return p.Plan(ctx)
}

func (d *deploying) one(ctx context.Context, p *deploy.Deployment) (*deploy.Result, error) {
	o := deploy.Options{Event: d.body, NoTest: d.noTest, NoRollback: d.noRollback, Timeout: d.timeout}
	if d.rollback {
		return p.Rollback(ctx, o)
	}
	return p.Apply(ctx, o)
}

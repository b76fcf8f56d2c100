package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"

	"github.com/imgbuild/imgbuild/pkg/build"
	"github.com/imgbuild/imgbuild/pkg/check"
	"github.com/imgbuild/imgbuild/pkg/prove"
	"github.com/imgbuild/imgbuild/pkg/store"
	"github.com/imgbuild/imgbuild/pkg/template"
)

const checkLong = `Looks whether an image keeps Function Compute's contract, whoever made it, and
says rule by rule what holds and what to change. It starts the container on this
machine, with Linux's namespaces and no network but loopback, and calls it as the
platform does. TARGET is

  IMAGE     HOST/NAME:TAG in a registry; an OCI layout, a folder or a tar;
            NAME[:TAG] of an image inside imgbuild
  DIR       a folder that imgbuild build builds, or one with a template.yaml or
            s.yaml, whose functions are each tried with their own code or image;
            by default the working directory
  TEMPLATE  a template.yaml or s.yaml: its functions, with the images it names

A base image, which has imgbuild's shim and no program yet, is tried with the
shim's own suite instead.

Exit status 1 says that a rule is broken; warnings and notes break none.`

const checkExample = `  imgbuild check registry.example.com/team/hello:1.0 --port 9000
  imgbuild check examples/golang
  imgbuild check s.yaml --format sarif > check.sarif
  imgbuild check golang:1.27-slim`

// checkFormats are the forms of a report.
var checkFormats = []string{"text", "json", "junit", "sarif"}

type checking struct {
	format      string
	port        int
	ready       time.Duration
	static, all bool

	noDockerfile bool
}

func newCheck(g *global) *cobra.Command {
	c := &checking{}
	cmd := &cobra.Command{
		Use:     "check [TARGET]",
		Short:   "Boot an image and prove that it keeps Function Compute's contract",
		Long:    checkLong,
		Example: checkExample,
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if g.json {
				c.format = "json"
			}
			if !slices.Contains(checkFormats, c.format) {
				return usage("--format is %q; use one of %s", c.format, strings.Join(checkFormats, ", "))
			}
			if c.port < 0 || c.port > 65535 {
				return usage("--port is %d; use 1 to 65535", c.port)
			}
			target := "."
			if len(args) > 0 {
				target = args[0]
			}
			return c.run(cmd.Context(), g, target)
		},
	}
	f := cmd.Flags()
	f.StringVar(&c.format, "format", "text", "how the report is written, a `FORMAT` of "+strings.Join(checkFormats, ", "))
	f.IntVar(&c.port, "port", 0, fmt.Sprintf("the `PORT` that the function listens on; else as the template says, else %d", template.Port))
	f.DurationVar(&c.ready, "ready-timeout", 0, "how long the container may take until it listens, a `DURATION`; else 120s, as on the platform")
	f.BoolVar(&c.static, "static", false, "do not start the container")
	f.BoolVar(&c.noDockerfile, "no-dockerfile", false, "build DIR without its Dockerfile, as imgbuild build --no-dockerfile does")
	f.BoolVar(&c.all, "all", false, "show also what holds of a template")
	complete(cmd, "format", cobra.FixedCompletions(checkFormats, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (c *checking) run(ctx context.Context, g *global, target string) error {
	var reports []check.Report
	var err error
	if isTemplate(target) || hasTemplate(target) {
		reports, err = c.template(ctx, g, target)
	} else {
		reports, err = c.target(ctx, g, target)
	}
	if err != nil {
		return err
	}
	if err := c.write(g, reports); err != nil {
		return err
	}
	n := 0
	for _, r := range reports {
		n += r.Count(check.Failed)
	}
	switch {
	case n == 1:
		return errors.New("1 rule is broken")
	case n > 1:
		return fmt.Errorf("%d rules are broken", n)
	}
	return nil
}

func (c *checking) write(g *global, reports []check.Report) error {
	switch c.format {
	case "json":
		return g.printJSON(reports)
	case "junit":
		return check.JUnit(g.stdout, reports)
	case "sarif":
		return check.SARIF(g.stdout, version(), reports)
	}
	return check.Text(g.stdout, reports, c.all)
}

// isTemplate says whether a target is the file of a template.
func isTemplate(target string) bool {
	fi, err := os.Stat(target)
	return err == nil && !fi.IsDir() && (strings.HasSuffix(target, ".yaml") || strings.HasSuffix(target, ".yml"))
}

// template checks the functions of a template, each with its own code or image:
// those of a file with the images that it names, those of a folder with what
// imgbuild start takes.
func (c *checking) template(ctx context.Context, g *global, path string) (reports []check.Report, err error) {
	functions, err := template.Load(path)
	if err != nil {
		return nil, err
	}
	for _, f := range functions {
		subject := check.Subject{Name: subjectName(f, functions), Function: f, Template: nonNil(template.Lint(f))}
		t, why, err := c.program(subject, !isTemplate(path))
		var r check.Report
		switch {
		case err == nil && t == nil:
			r = check.Template(subject.Name, subject.Template, why)
		case err == nil:
			r, err = c.image(ctx, g, t, subject)
		}
		if err != nil {
			return nil, fmt.Errorf("%s:%d: the function %s: %w", f.File, f.Line, f.Name, err)
		}
		reports = append(reports, r)
	}
	return reports, nil
}

// subjectName is a function's name, with its region and service where others of
// its template have it too.
func subjectName(f template.Function, all []template.Function) string {
	n := 0
	for _, other := range all {
		if other.Name == f.Name {
			n++
		}
	}
	if n == 1 {
		return f.Name
	}
	parts := []string{f.Region, f.Service, f.Name}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "/")
}

// program is what a function of a template is tried with. It is nil where only
// the template is looked at; why is there to be told, if anything is.
func (c *checking) program(s check.Subject, folder bool) (t *target, why string, err error) {
	f := s.Function
	image := f.Runtime == template.CustomContainer
	switch {
	case folder:
		t, err = templateTarget(f, c.noDockerfile, runtimeNative)
		if err != nil && !image {
			return nil, err.Error(), nil
		}
	case c.static || !image || f.Image == "" || strings.HasSuffix(f.Image, template.NoDigest):
		return nil, "", nil
	default:
		t = &target{ref: f.Image}
		err = t.resolve(runtimeNative)
	}
	if err != nil {
		return nil, "", err
	}
	broken := slices.ContainsFunc(s.Template, func(f template.Finding) bool { return f.Rule == "bootstrap" })
	switch {
	case t.kind == targetFolder && broken:
		return nil, "its bootstrap does not start", nil
	case (t.kind == targetFolder || t.kind == targetBuild) && !canBuild(t.dir):
		return nil, "imgbuild can make no image of " + t.ref, nil
	}
	return t, "", t.withoutEngine()
}

// nonNil makes no findings some that were looked for.
func nonNil(found []template.Finding) []template.Finding {
	if found == nil {
		return []template.Finding{}
	}
	return found
}

// target checks an image, or what a folder without a template is built to.
func (c *checking) target(ctx context.Context, g *global, name string) ([]check.Report, error) {
	t, err := (&invoking{runtime: runtimeNative, noDockerfile: c.noDockerfile}).target(name)
	if err == nil {
		err = t.withoutEngine()
	}
	if err != nil {
		return nil, err
	}
	f := t.function
	f.Port = template.Port
	r, err := c.image(ctx, g, t, check.Subject{Name: name, Function: f})
	if err != nil {
		return nil, err
	}
	return []check.Report{r}, nil
}

// withoutEngine makes a code package one that is built, and refuses what only
// an engine may have.
func (t *target) withoutEngine() error {
	switch t.kind {
	case targetEngine:
		return usage("%s is neither a folder, nor an OCI layout, nor an image inside imgbuild; name an image with its registry's host, or save it: docker save %s | …", t.ref, t.ref)
	case targetFolder:
		t.kind = targetBuild // the same package in an image, under its shim
	}
	return nil
}

// image makes or opens the image and checks it.
func (c *checking) image(ctx context.Context, g *global, t *target, subject check.Subject) (r check.Report, err error) {
	f := &subject.Function
	if f.CodePackage() { // its command is what the shim starts
		f.Entrypoint, f.Command = nil, slices.Concat(f.Entrypoint, f.Command)
	}
	if c.port > 0 {
		f.Port = c.port
	}
	// The platform's own limit is short for what is looked at here.
	f.Timeout = max(f.Timeout, 10*time.Second)
	err = t.withImage(ctx, g, func(ctx context.Context, s *store.Store, img v1.Image) error {
		subject.Image = img
		r, err = check.Image(ctx, subject, check.Options{Store: s, Unpack: t.unpack, Ready: c.ready, Static: c.static, Prove: c.prover(g)})
		return err
	})
	return r, err
}

// prover tries the shim's suite on base images.
func (c *checking) prover(g *global) func(context.Context, v1.Image) (prove.Proof, error) {
	return func(ctx context.Context, img v1.Image) (prove.Proof, error) {
		s, in, _, err := g.open()
		if err != nil {
			return prove.Proof{}, err
		}
		golang, err := loadDefinition("golang")
		if err != nil {
			return prove.Proof{}, err
		}
		toolchain, err := build.Toolchain(golang.lock)
		if err != nil {
			return prove.Proof{}, err
		}
		p, err := prove.New(s, prove.Options{Toolchain: toolchain, Fetch: in.Fetch})
		if err != nil {
			return prove.Proof{}, err
		}
		return p.Prove(ctx, img, defaultPlatform)
	}
}

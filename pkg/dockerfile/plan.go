package dockerfile

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/containerd/platforms"
	"github.com/distribution/reference"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
)

// Query says for what a Dockerfile is read.
type Query struct {
	Target    string            // a stage; empty for the last one
	Args      map[string]string // of the build
	Platforms []string          // to build for
	Native    string            // the builder's own platform
	Contexts  map[string]string // which replace images and stages, by contextKey
}

// Plan is what a Dockerfile needs for one target.
type Plan struct {
	// Images are those that stages begin with or take from, each once.
	Images []Image
	// Final is what the target begins with.
	Final Origin
	// Runs are the stages that run commands, each for one platform.
	Runs []Run
	// Entrypoint is the line of the target's last ENTRYPOINT, 0 for none.
	Entrypoint int
}

// Origin is what a stage begins with. Where it says nothing, only the builder
// can work that out.
type Origin struct {
	Scratch bool
	Image   string // the Ref of one
	Context string // the name of the context that is taken for it
}

// Image is an image that a Dockerfile names, or a context that it takes.
type Image struct {
	// Ref is HOST/PATH:TAG or HOST/PATH@DIGEST.
	Ref string
	// Key is how contexts name it: in the short form of Docker's users.
	Key string
	// Context says that the Key is that of a context with an image.
	Context bool
	// Clashes says that a stage is called as the Key is. A context of that name
	// would take the place of the stage and all that it does.
	Clashes   bool
	Line      int      // the first that names it
	Platforms []string // those that it is needed for
}

// Pinned says that the name has a digest.
func (i Image) Pinned() bool { return strings.Contains(i.Ref, "@") }

// Run is the first command that a stage runs on a platform.
type Run struct {
	Line     int
	Platform string
}

// NewPlan reads a Dockerfile for what it needs, with the builder's own parser. It
// follows the builder in what it does with arguments, stages and contexts
// (BuildKit, frontend/dockerfile/dockerfile2llb); what it does not understand is
// left to the builder, whose errors show the place.
func NewPlan(dockerfile []byte, q Query) (*Plan, error) {
	parsed, err := parser.Parse(bytes.NewReader(dockerfile))
	if err != nil {
		return nil, err
	}
	stages, args, err := instructions.Parse(parsed.AST, nil)
	if err != nil {
		return nil, err
	}
	if len(stages) == 0 {
		return nil, errors.New("it has no stage to build: there is no FROM")
	}
	p := &Plan{}
	for i, platform := range q.Platforms {
		r := &reader{plan: p, query: q, stages: stages, platform: platform, lex: shell.NewLex(parsed.EscapeToken), first: map[int]Origin{}}
		if err := r.arguments(args); err != nil {
			return nil, err
		}
		target, err := r.target()
		if err != nil {
			return nil, err
		}
		final, err := r.stage(target)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			p.Final, p.Entrypoint = final, r.entrypoint(target)
		}
	}
	return p, nil
}

// TargetError says that a Dockerfile has no such stage.
type TargetError struct{ error }

func targetErrorf(format string, args ...any) error {
	return &TargetError{fmt.Errorf(format, args...)}
}

// reader reads the stages that one platform's image needs.
type reader struct {
	plan     *Plan
	query    Query
	stages   []instructions.Stage
	platform string
	lex      *shell.Lex
	env      *llb.EnvList
	first    map[int]Origin // of the stages read
}

// arguments sets those that names of images are made from.
func (r *reader) arguments(args []instructions.ArgCommand) error {
	target, err := platforms.Parse(r.platform)
	if err != nil {
		return err
	}
	native, err := platforms.Parse(r.query.Native)
	if err != nil {
		return err
	}
	r.env = &llb.EnvList{}
	stage := r.query.Target
	if stage == "" && len(r.stages) > 0 {
		stage = r.stages[len(r.stages)-1].Name
	}
	if stage == "" {
		stage = "default"
	}
	for _, a := range [][2]string{
		{"BUILDPLATFORM", platforms.Format(native)}, {"BUILDOS", native.OS}, {"BUILDARCH", native.Architecture}, {"BUILDVARIANT", native.Variant},
		{"TARGETPLATFORM", platforms.Format(target)}, {"TARGETOS", target.OS}, {"TARGETARCH", target.Architecture}, {"TARGETVARIANT", target.Variant},
		{"TARGETSTAGE", stage},
	} {
		if given, ok := r.query.Args[a[0]]; ok {
			a[1] = given
		}
		r.env = r.env.AddOrReplace(a[0], a[1])
	}
	for _, c := range args {
		for _, a := range c.Args {
			value, ok := r.query.Args[a.Key]
			if !ok {
				if a.Value == nil {
					continue
				}
				if value, _, err = r.lex.ProcessWord(*a.Value, r.env); err != nil {
					return err
				}
			}
			r.env = r.env.AddOrReplace(a.Key, value)
		}
	}
	return nil
}

func (r *reader) target() (int, error) {
	if r.query.Target == "" {
		return len(r.stages) - 1, nil
	}
	if i, ok := r.find(r.query.Target); ok {
		return i, nil
	}
	var names []string
	for _, s := range r.stages {
		if s.Name != "" {
			names = append(names, s.Name)
		}
	}
	if len(names) == 0 {
		return 0, targetErrorf("there is no stage %q, for no stage has a name; leave --target out, or name one with FROM … AS %s", r.query.Target, r.query.Target)
	}
	return 0, targetErrorf("there is no stage %q; the stages are %s", r.query.Target, strings.Join(names, ", "))
}

// find returns the stage of that name or number.
func (r *reader) find(name string) (int, bool) {
	for i, s := range slices.Backward(r.stages) {
		if strings.EqualFold(s.Name, name) {
			return i, true
		}
	}
	n, err := strconv.Atoi(name)
	return n, err == nil && n >= 0 && n < len(r.stages)
}

// stage notes what a stage needs, and returns what it begins with.
func (r *reader) stage(i int) (first Origin, err error) {
	if first, ok := r.first[i]; ok {
		return first, nil
	}
	r.first[i] = Origin{}
	s := r.stages[i]
	platform, err := r.platformOf(s)
	if err != nil {
		return first, err
	}
	if s.Name != "" {
		if first, ok := r.context(s.Name, lineOf(s.Location), platform); ok {
			r.first[i] = first
			return first, nil
		}
	}
	base, name, err := r.base(i)
	switch {
	case err != nil:
		return first, err
	case base >= 0:
		first, err = r.stage(base)
	default:
		first = r.image(name, lineOf(s.Location), platform)
	}
	if err != nil {
		return first, err
	}
	r.first[i] = first
	for _, c := range s.Commands {
		switch c := c.(type) {
		case *instructions.RunCommand:
			r.run(lineOf(c.Location()), platform)
			for _, m := range instructions.GetMounts(c) {
				if err := r.from(m.From, c, platform); err != nil {
					return first, err
				}
			}
		case *instructions.CopyCommand:
			if err := r.from(c.From, c, platform); err != nil {
				return first, err
			}
		}
	}
	return first, nil
}

// base is the stage that a stage begins with, or -1 and the name of what is none.
func (r *reader) base(i int) (int, string, error) {
	name, _, err := r.lex.ProcessWord(r.stages[i].BaseName, r.env)
	if err != nil {
		return -1, "", err
	}
	for b := i - 1; b >= 0; b-- {
		if strings.EqualFold(r.stages[b].Name, name) {
			return b, name, nil
		}
	}
	return -1, name, nil
}

// from notes what a command takes files from: a stage, a context or an image.
func (r *reader) from(name string, c instructions.Command, platform string) error {
	if name == "" || strings.Contains(name, "$") {
		return nil
	}
	if stage, ok := r.find(name); ok {
		_, err := r.stage(stage)
		return err
	}
	r.image(name, lineOf(c.Location()), platform)
	return nil
}

// platformOf is the platform that a stage is for.
func (r *reader) platformOf(s instructions.Stage) (string, error) {
	if s.Platform == "" {
		return r.platform, nil
	}
	word, _, err := r.lex.ProcessWord(s.Platform, r.env)
	if err != nil {
		return "", err
	}
	p, err := platforms.Parse(word)
	if err != nil {
		return "", fmt.Errorf("line %d: %w", lineOf(s.Location), err)
	}
	return platforms.Format(platforms.Normalize(p)), nil
}

func (r *reader) run(line int, platform string) {
	if !slices.ContainsFunc(r.plan.Runs, func(o Run) bool { return o.Platform == platform && o.Line <= line }) {
		r.plan.Runs = append(r.plan.Runs, Run{Line: line, Platform: platform})
	}
}

// image notes what a name stands for that is no stage's.
func (r *reader) image(name string, line int, platform string) Origin {
	if name == "scratch" {
		return Origin{Scratch: true}
	}
	named, err := reference.ParseNormalizedNamed(name)
	if name == "" || err != nil {
		return Origin{}
	}
	ref := reference.TagNameOnly(named).String()
	if o, ok := r.context(ref, line, platform); ok {
		return o
	}
	key := contextKey(ref)
	clashes := slices.ContainsFunc(r.stages, func(s instructions.Stage) bool { return strings.EqualFold(s.Name, key) })
	r.note(Image{Ref: ref, Key: key, Clashes: clashes, Line: line}, platform)
	return Origin{Image: ref}
}

// context says whether a name is a context's, and notes the image that it is.
func (r *reader) context(name string, line int, platform string) (Origin, bool) {
	if strings.EqualFold(name, "context") {
		return Origin{}, false // the builder keeps that name for the main one
	}
	key := contextKey(name)
	value, ok := r.query.Contexts[key]
	if !ok {
		return Origin{}, false
	}
	o := Origin{Context: key}
	ref, ok := strings.CutPrefix(value, "docker-image://")
	if !ok {
		return o, true
	}
	if ref == "scratch" {
		o.Scratch = true
		return o, true
	}
	if named, err := reference.ParseNormalizedNamed(ref); err == nil {
		o.Image = reference.TagNameOnly(named).String()
		r.note(Image{Ref: o.Image, Key: key, Context: true, Line: line}, platform)
	}
	return o, true
}

func (r *reader) note(image Image, platform string) {
	i := slices.IndexFunc(r.plan.Images, func(o Image) bool { return o.Ref == image.Ref && o.Key == image.Key })
	if i < 0 {
		i = len(r.plan.Images)
		r.plan.Images = append(r.plan.Images, image)
	}
	if im := &r.plan.Images[i]; !slices.Contains(im.Platforms, platform) {
		im.Platforms = append(im.Platforms, platform)
	}
}

// contextKey is how contexts name a stage or an image (BuildKit,
// frontend/dockerui, Client.NamedContext).
func contextKey(name string) string {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return name
	}
	return strings.TrimSuffix(reference.FamiliarString(named), ":latest")
}

// entrypoint is the line of the last ENTRYPOINT of a stage and those below it.
func (r *reader) entrypoint(i int) int {
	for i >= 0 {
		for _, c := range slices.Backward(r.stages[i].Commands) {
			if _, ok := c.(*instructions.EntrypointCommand); ok {
				return lineOf(c.Location())
			}
		}
		var err error
		if i, _, err = r.base(i); err != nil {
			return 0
		}
	}
	return 0
}

func lineOf(ranges []parser.Range) int {
	if len(ranges) == 0 {
		return 0
	}
	return ranges[0].Start.Line
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"

	"github.com/imgbuild/imgbuild/pkg/console"
	"github.com/imgbuild/imgbuild/pkg/emulator"
	"github.com/imgbuild/imgbuild/pkg/snapshot"
	"github.com/imgbuild/imgbuild/pkg/store"
	"github.com/imgbuild/imgbuild/pkg/template"
)

const startLong = `Serves functions on this machine until Ctrl-C, and starts them anew when their
files change. TARGET is a folder, with a template.yaml or s.yaml or without one,
a template, or an image as for imgbuild invoke; by default the working directory.

On http://127.0.0.1:PORT/ is a page to call the functions and read their logs.
Programs find

  http://NAME.localhost:PORT/…   the HTTP trigger of the function NAME
  http://127.0.0.1:PORT/http/NAME/…
  POST http://127.0.0.1:PORT/2023-03-30/functions/NAME/invocations   an event

A function is built and started by its first call. One that is called while its
files change is answered by what it was; the next call waits for the new one. Logs
go to standard error. Nothing listens beyond loopback.`

const startExample = `  imgbuild start
  imgbuild start examples/node --no-dockerfile --port 3000
  imgbuild start -t template.yaml
  curl http://127.0.0.1:8000/http/hello/`

type starting struct {
	invoking
	listen  int
	noWatch bool
}

func newStart(g *global) *cobra.Command {
	s := &starting{}
	cmd := &cobra.Command{
		Use:     "start [TARGET]",
		Short:   "Serve functions on loopback, with a page to call them, and restart them on change",
		Long:    startLong,
		Example: startExample,
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if s.listen < 0 || s.listen > 65535 {
				return usage("--port is %d; use 1 to 65535, or 0 for any free one", s.listen)
			}
			if !slices.Contains(runtimes, s.runtime) {
				return usage("unknown runtime %q; use one of %s", s.runtime, strings.Join(runtimes, ", "))
			}
			name := ""
			if len(args) > 0 {
				name = args[0]
			}
			return s.run(cmd.Context(), g, name)
		},
	}
	f := cmd.Flags()
	f.IntVar(&s.listen, "port", 8000, "the `PORT` on 127.0.0.1 that is listened on, 0 for any free one")
	f.StringVarP(&s.template, "template", "t", "", "the `TEMPLATE` that describes the functions: template.yaml or s.yaml")
	f.BoolVar(&s.noDockerfile, "no-dockerfile", false, "build DIR without its Dockerfile, as imgbuild build --no-dockerfile does")
	f.BoolVar(&s.noWatch, "no-watch", false, "do not look whether files change")
	f.StringVar(&s.runtime, "runtime", runtimeAuto, "what runs the functions, a `RUNTIME` of "+strings.Join(runtimes, ", "))
	complete(cmd, "runtime", cobra.FixedCompletions(runtimes, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// targets are the functions to serve.
func (s *starting) targets(name string) ([]*target, error) {
	switch {
	case s.template != "" && name != "":
		return nil, usage("--template and %s are two targets; leave one out", name)
	case s.template != "":
		return templateTargets(s.template, s.noDockerfile, s.runtime)
	case isTemplate(orHere(name)) || hasTemplate(orHere(name)):
		return templateTargets(orHere(name), s.noDockerfile, s.runtime)
	}
	t, err := s.target(name)
	if err != nil {
		return nil, err
	}
	t.function.Triggers = []template.Trigger{{Type: "http", Auth: "anonymous"}}
	return []*target{t}, nil
}

func (s *starting) run(ctx context.Context, g *global, name string) (err error) {
	targets, err := s.targets(name)
	if err != nil {
		return err
	}
	if err := oneOfEachName(targets); err != nil {
		return err
	}
	var functions []console.Function
	for _, t := range targets {
		functions = append(functions, console.Function{
			Name:    t.function.Name,
			Trigger: slices.ContainsFunc(t.function.Triggers, func(t template.Trigger) bool { return strings.EqualFold(t.Type, "http") }),
			Start: func(ctx context.Context, log io.Writer) (*emulator.Emulator, func() error, error) {
				now, err := s.now(t)
				if err != nil {
					return nil, nil, err
				}
				return s.start(ctx, g, *now, log)
			},
		})
	}
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", s.listen))
	if err != nil {
		return fmt.Errorf("%w; free the port, or take another with --port", err)
	}
	c := console.New(functions, g.stderr)
	server := &http.Server{Handler: c, ReadHeaderTimeout: 30 * time.Second}
	defer func() { err = errors.Join(err, server.Close(), c.Close()) }()
	if !s.noWatch {
		for _, t := range targets {
			if err := s.watch(ctx, g, c, t); err != nil {
				return err
			}
		}
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	fmt.Fprintf(g.stdout, "http://%s/\n", l.Addr())
	for _, f := range functions {
		if f.Trigger {
			fmt.Fprintf(g.stderr, "imgbuild: %s: http://%s/http/%s/\n", f.Name, l.Addr(), f.Name)
		}
	}
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return nil // Ctrl-C is how it ends
	}
}

// oneOfEachName says which functions have one name: it is how they are called here,
// in hosts, too, where a capital is no other letter.
func oneOfEachName(targets []*target) error {
	for n, t := range targets {
		for _, other := range targets[:n] {
			if a, b := other.function, t.function; strings.EqualFold(a.Name, b.Name) {
				return usage("%s:%d: there is a function %s in line %d already, and they are called by their names here; rename one, or put it into a template of its own",
					b.File, b.Line, a.Name, a.Line)
			}
		}
	}
	return nil
}

// now is a target as its template describes it by now.
func (s *starting) now(t *target) (*target, error) {
	f := t.function
	if f.File == "" {
		return t, nil
	}
	all, err := templateTargets(f.File, s.noDockerfile, s.runtime)
	if err != nil {
		return nil, err
	}
	for _, one := range all {
		if one.function.Name == f.Name && one.function.Service == f.Service && one.function.Region == f.Region {
			return one, nil
		}
	}
	return nil, fmt.Errorf("%s has no function %s any more; end imgbuild start and start it again", f.File, f.Name)
}

// start builds a target and plays the platform in front of it.
func (s *starting) start(ctx context.Context, g *global, t target, log io.Writer) (*emulator.Emulator, func() error, error) {
	typed := t.kind == targetBuild && t.dockerfile == "" && t.has("tsconfig.json")
	whole := t
	t.unchecked = typed
	rt, done, err := s.open(ctx, g, &t)
	if err != nil {
		return nil, nil, err
	}
	if typed {
		checks := context.WithoutCancel(ctx)
		checks, cancel := context.WithCancel(checks)
		ended := make(chan struct{})
		go func() { defer close(ended); whole.types(checks, g, log) }()
		opened := done
		done = func() error { cancel(); <-ended; return opened() }
	}
	e, err := emulator.New(t.function, rt, emulatorOptions(s.ready, log))
	if err != nil {
		return nil, nil, errors.Join(err, done())
	}
	return e, func() error { return errors.Join(e.Close(), done()) }, nil
}

// types says in the log what is wrong with a function's types. It has been started
// without looking at them, which takes a second or two.
func (t *target) types(ctx context.Context, g *global, log io.Writer) {
	err := t.withBuilt(ctx, g, func(context.Context, *store.Store, v1.Image) error { return nil })
	if err != nil && ctx.Err() == nil {
		fmt.Fprintf(log, "%v\n", err)
	}
}

// watch has a function started anew when its files change, or its template.
func (s *starting) watch(ctx context.Context, g *global, c *console.Console, t *target) error {
	var paths []string
	for _, path := range []string{t.dir, t.function.File} { // an image has no folder
		if path == "" {
			continue
		}
		path, err := filepath.Abs(path)
		if err != nil {
			return err
		}
		paths = append(paths, path)
	}
	if len(paths) == 0 {
		return nil
	}
	go func() {
		err := console.Watch(ctx, snapshot.Roots(paths...), func() { c.Changed(t.function.Name) })
		if errors.Is(err, snapshot.ErrTooMany) {
			fmt.Fprintf(g.stderr, "imgbuild: %s has too many files to watch; start again after a change\n", t.dir)
		} else if err != nil && ctx.Err() == nil {
			fmt.Fprintf(g.stderr, "imgbuild: watching %s: %v\n", t.function.Name, err)
		}
	}()
	return nil
}

// emulatorOptions are those of all emulators, with this shell's credentials.
func emulatorOptions(ready time.Duration, log io.Writer) emulator.Options {
	return emulator.Options{
		Ready: ready, Log: log, AccountID: os.Getenv("FC_ACCOUNT_ID"),
		Credentials: emulator.Credentials{
			AccessKeyID: os.Getenv("ALIBABA_CLOUD_ACCESS_KEY_ID"), AccessKeySecret: os.Getenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET"),
			SecurityToken: os.Getenv("ALIBABA_CLOUD_SECURITY_TOKEN"),
		},
	}
}

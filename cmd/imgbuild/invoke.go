package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/imgbuild/imgbuild/pkg/emulator"
	"github.com/imgbuild/imgbuild/pkg/fc"
)

const invokeLong = `Starts a function on this machine, calls it as Function Compute does, and stops
it. TARGET is

  IMAGE   HOST/NAME:TAG in a registry; an OCI layout, a folder or a tar; an image
          that docker, podman or nerdctl has; NAME[:TAG] of an image inside imgbuild
  DIR     a folder with a template, or one that imgbuild build builds, or a code
          package with a bootstrap; by default the working directory
  NAME    with -t: a function of the template; not needed where it has one

The event is that of --event or --event-file; - is standard input. The function's
log goes to standard error, with duration, memory, and whether an instance had to
be started. Standard output gets "FC Invoke Result:" and the answer, or with --json
a list of objects.

Runtimes: native runs the image with Linux's namespaces, without a daemon and
without a network but loopback; runc and crun do the same in its place; docker,
podman and nerdctl run it in a container of theirs; folder runs a code package on
this machine, under the shim. auto is folder for a code package, native where this
machine lets imgbuild, else the first of docker, podman and nerdctl that answers.

Credentials are those of ALIBABA_CLOUD_ACCESS_KEY_ID, …_ACCESS_KEY_SECRET and
ALIBABA_CLOUD_SECURITY_TOKEN, where they are set, and the account is FC_ACCOUNT_ID.

Exit status 1 says that the function failed, or could not be started.`

const invokeExample = `  imgbuild invoke examples/node-handler --no-dockerfile -e '"Serverless"'
  imgbuild invoke examples/golang --no-dockerfile --http GET '/hello?name=you'
  imgbuild invoke hello.tar --event-file event.json --repeat 3
  imgbuild invoke registry.example.com/team/hello:1.0 --runtime docker --env LEVEL=debug
  imgbuild invoke -t template.yaml NAME --async -e '{}'`

// invoking is what `imgbuild invoke` was asked for.
type invoking struct {
	event     string
	eventFile string
	http      bool
	headers   []string
	body      string
	async     bool
	repeat    int
	template  string
	runtime   string
	network   string
	env       []string
	timeout   time.Duration
	ready     time.Duration
	port      int

	noDockerfile bool
	templated    bool // the function is a template's

	method, path string
	payload      []byte
	header       http.Header
}

func newInvoke(g *global) *cobra.Command {
	v := &invoking{}
	cmd := &cobra.Command{
		Use:     "invoke [TARGET] [-] [--http METHOD PATH]",
		Short:   "Call a function on this machine as Function Compute does",
		Long:    invokeLong,
		Example: invokeExample,
		RunE: func(cmd *cobra.Command, args []string) error {
			args, err := v.check(args, cmd.Flags())
			if err != nil {
				return err
			}
			target := ""
			if len(args) > 0 {
				target = args[0]
			}
			return v.run(cmd.Context(), g, target)
		},
	}
	v.register(cmd.Flags())
	complete(cmd, "runtime", cobra.FixedCompletions(runtimes, cobra.ShellCompDirectiveNoFileComp))
	complete(cmd, "network", cobra.FixedCompletions([]string{emulator.NetworkHost, emulator.NetworkNone}, cobra.ShellCompDirectiveNoFileComp))
	for _, flag := range []string{"event", "header", "body", "env"} {
		complete(cmd, flag, cobra.NoFileCompletions)
	}
	return cmd
}

func (v *invoking) register(f *pflag.FlagSet) {
	f.StringVarP(&v.event, "event", "e", "", "the `EVENT` to call the function with")
	f.StringVar(&v.eventFile, "event-file", "", "the `FILE` that has the event; - is standard input")
	f.BoolVar(&v.http, "http", false, "call the HTTP trigger: METHOD and PATH, with its query, are the last two arguments")
	f.StringArrayVar(&v.headers, "header", nil, "with --http: a header `'NAME: VALUE'`; may be repeated")
	f.StringVar(&v.body, "body", "", "with --http: the request's `BODY`; @FILE is a file, @- standard input")
	f.BoolVar(&v.async, "async", false, "call it asynchronously: up to 128 KB, repeated up to three times where it fails")
	f.IntVar(&v.repeat, "repeat", 1, "call it `N` times, one after the other, in the same instance")
	f.StringVarP(&v.template, "template", "t", "", "the `TEMPLATE` that describes the function: template.yaml or s.yaml")
	f.BoolVar(&v.noDockerfile, "no-dockerfile", false, "build DIR without its Dockerfile, as imgbuild build --no-dockerfile does")
	f.StringVar(&v.runtime, "runtime", runtimeAuto, "what runs the function, a `RUNTIME` of "+strings.Join(runtimes, ", "))
	f.StringVar(&v.network, "network", "", "with docker, podman, nerdctl: a container's `NETWORK`, host or none; by default the port is published on loopback")
	f.StringArrayVar(&v.env, "env", nil, "`NAME=VALUE` in the function's environment; may be repeated")
	f.DurationVar(&v.timeout, "timeout", 0, "how long a call may take, a `DURATION`; else as the template says, else 3s")
	f.DurationVar(&v.ready, "ready-timeout", 0, "how long the function may take until it listens, a `DURATION`; else 120s, as on the platform")
	f.IntVar(&v.port, "port", 0, "the `PORT` that the function listens on; else as the template says, else the only one that the image exposes, else 9000")
}

// check reads flags and arguments and returns what is left of these. Its errors
// are those of usage.
func (v *invoking) check(args []string, f *pflag.FlagSet) ([]string, error) {
	if v.http {
		if len(args) < 2 {
			return nil, usage("--http wants a method and a path: imgbuild invoke [TARGET] --http GET /hello")
		}
		n := len(args) - 2
		v.method, v.path = args[n], args[n+1]
		args = args[:n]
		if !strings.HasPrefix(v.path, "/") {
			return nil, usage("--http %s %s: a path begins with a slash", v.method, v.path)
		}
	}
	if n := slices.Index(args, "-"); n >= 0 && !v.http {
		if f.Changed("event") || f.Changed("event-file") {
			return nil, usage("- is the event on standard input, and there is another; leave one out")
		}
		args, v.eventFile = slices.Delete(args, n, n+1), "-"
	}
	if len(args) > 1 {
		return nil, usage("invoke takes one target, not %d; see imgbuild invoke --help", len(args))
	}
	eventFlags := f.Changed("event") || f.Changed("event-file")
	switch {
	case f.Changed("event") && f.Changed("event-file"):
		return nil, usage("--event and --event-file are two events; leave one out")
	case v.http && eventFlags:
		return nil, usage("an HTTP trigger gets a --body and no event; leave --event or --http out")
	case v.http && v.async:
		return nil, usage("--async is for events; leave --http out")
	case !v.http && (len(v.headers) > 0 || f.Changed("body")):
		return nil, usage("--header and --body belong to --http METHOD PATH")
	case v.repeat < 1:
		return nil, usage("--repeat %d: want 1 or more", v.repeat)
	case v.timeout < 0 || v.ready < 0:
		return nil, usage("--timeout and --ready-timeout want a duration such as 10s")
	case v.port < 0 || v.port > 65535:
		return nil, usage("--port %d: want a port from 1 to 65535", v.port)
	case !slices.Contains(runtimes, v.runtime):
		return nil, usage("unknown runtime %q; use one of %s", v.runtime, strings.Join(runtimes, ", "))
	case v.network != "" && v.network != emulator.NetworkHost && v.network != emulator.NetworkNone:
		return nil, usage("--network %q: use host or none", v.network)
	case v.network != "" && (withoutDaemon(v.runtime) || v.runtime == runtimeFolder):
		return nil, usage("--network is for docker, podman and nerdctl; leave it out")
	}
	for _, e := range v.env {
		if name, _, ok := strings.Cut(e, "="); !ok || name == "" {
			return nil, usage("--env %q: write NAME=VALUE", e)
		}
	}
	v.header = http.Header{}
	for _, h := range v.headers {
		name, value, ok := strings.Cut(h, ":")
		if name = strings.TrimSpace(name); !ok || name == "" {
			return nil, usage("--header %q: write 'NAME: VALUE'", h)
		}
		v.header.Add(name, strings.TrimSpace(value))
	}
	return args, v.read()
}

// read reads the event or the body.
func (v *invoking) read() (err error) {
	v.payload = []byte(v.event)
	file := v.eventFile
	if v.http {
		v.payload = []byte(v.body)
		if name, ok := strings.CutPrefix(v.body, "@"); ok {
			file = name
		}
	}
	if file == "" {
		return nil
	}
	in := os.Stdin
	if file != "-" {
		if in, err = os.Open(file); err != nil {
			return usageError{err}
		}
		defer in.Close()
	}
	// One byte more than is allowed is enough for the emulator to refuse it.
	v.payload, err = io.ReadAll(io.LimitReader(in, fc.MaxBodyBytes+1))
	return err
}

// run starts the function, calls it, and stops it.
func (v *invoking) run(ctx context.Context, g *global, name string) (err error) {
	t, err := v.target(name)
	if err != nil {
		return err
	}
	if t.note != "" {
		g.warn("%s", t.note)
	}
	rt, done, err := v.open(ctx, g, t)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	grace := time.Duration(0)
	if !t.function.PreStop.Set {
		grace = -1 // nobody waits for the end of what was called once
	}
	o := emulatorOptions(v.ready, g.stderr)
	o.Grace = grace
	e, err := emulator.New(t.function, rt, o)
	if err != nil {
		return usageError{err}
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	var all []invoked
	var failed error
	for range v.repeat {
		r, err := v.call(ctx, e)
		if err != nil {
			return err
		}
		i := newInvoked(r, e.Function().Memory)
		if err := g.tellInvoked(i, r); err != nil {
			return err
		}
		all = append(all, i)
		if r.Failed() {
			failed = functionFailed(r)
		}
	}
	if g.json {
		return errors.Join(g.printJSON(all), failed)
	}
	return failed
}

// call calls the function once.
func (v *invoking) call(ctx context.Context, e *emulator.Emulator) (emulator.Result, error) {
	switch {
	case v.http:
		return e.Request(ctx, v.method, v.path, v.header, strings.NewReader(string(v.payload)))
	case !v.async:
		return e.Invoke(ctx, v.payload)
	}
	_, done, err := e.InvokeAsync(v.payload)
	if err != nil {
		return emulator.Result{}, err
	}
	select {
	case r, ok := <-done:
		if !ok {
			return r, errors.New("the asynchronous call did not end")
		}
		return r, nil
	case <-ctx.Done():
		return emulator.Result{}, context.Cause(ctx)
	}
}

func functionFailed(r emulator.Result) error {
	if r.Error != nil {
		return fmt.Errorf("the function failed: %w", r.Error)
	}
	return fmt.Errorf("the function failed: %s", r.ErrorType)
}

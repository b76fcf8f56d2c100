package emulator

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/imgbuild/imgbuild/pkg/fc"
	"github.com/imgbuild/imgbuild/pkg/template"
)

// Credentials are those of the function's role, which the platform passes in.
type Credentials struct{ AccessKeyID, AccessKeySecret, SecurityToken string }

// Options say how a function is played. The zero value is of use.
type Options struct {
	// Ready is how long an instance may take until it listens, 0 for the
	// platform's 120 s.
	Ready time.Duration
	// Instances is how many run at a time, 0 for 100, which an account has at
	// first. Calls beyond them wait for Wait and then get ResourceExhausted.
	Instances int
	Wait      time.Duration
	// FreezeAfter is how long after its last answer an instance is frozen, 0
	// for 100 ms, negative for never. The platform does not say how long that
	// is there.
	FreezeAfter time.Duration
	// Grace is the time from SIGTERM to SIGKILL when an instance is stopped, 0
	// for 3 s, negative for no SIGTERM.
	Grace time.Duration
	// RetryDelay is the pause before the first retry of an asynchronous call,
	// 0 for 0.5 s; it doubles.
	RetryDelay time.Duration

	Credentials Credentials
	AccountID   string
	// Qualifier is the version or alias that is called, "" for LATEST.
	Qualifier string
	// Log gets the output of all instances as it comes, in whole lines. A
	// Write that blocks holds the function up. nil: nowhere.
	Log io.Writer
}

// readyLimit is how long the platform waits until a function listens ("Custom
// container: principles").
const readyLimit = 120 * time.Second

func (o Options) withDefaults() Options {
	or := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	or(&o.Ready, readyLimit)
	or(&o.FreezeAfter, 100*time.Millisecond)
	or(&o.Grace, 3*time.Second)
	or(&o.RetryDelay, 500*time.Millisecond)
	if o.Instances == 0 {
		o.Instances = 100
	}
	if o.Qualifier == "" {
		o.Qualifier = "LATEST"
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	return o
}

// The platform's defaults and limits of a function's configuration.
const (
	defaultTimeout  = 3 * time.Second
	maxTimeout      = 24 * time.Hour
	defaultInit     = 3 * time.Second
	defaultHook     = 30 * time.Second
	defaultMemory   = 512 // MB
	defaultHostname = "function"
	defaultRegion   = "cn-hangzhou" // a function is always in one
)

// prepare fills in what the configuration leaves to the platform, and says what
// the platform would refuse.
func prepare(f template.Function) (*template.Function, error) {
	if f.Name == "" {
		f.Name = defaultHostname
	}
	if f.Region == "" {
		f.Region = defaultRegion
	}
	if f.Port == 0 {
		f.Port = fc.DefaultPort
	}
	if f.Timeout == 0 {
		f.Timeout = defaultTimeout
	}
	if f.Concurrency == 0 {
		f.Concurrency = 1
	}
	if f.Memory == 0 {
		f.Memory = defaultMemory
	}
	for _, h := range []struct {
		hook *template.Hook
		time time.Duration
	}{{&f.Initializer, defaultInit}, {&f.PreFreeze, defaultHook}, {&f.PreStop, defaultHook}} {
		if h.hook.Timeout == 0 {
			h.hook.Timeout = h.time
		}
	}
	size := 0
	for name, value := range f.Environment {
		size += len(name) + len(value)
	}
	var errs []error
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, invalid(format, args...))
		}
	}
	wrong(f.Port < 1 || f.Port > 65535, "the port %d is none", f.Port)
	wrong(f.Timeout < 0 || f.Timeout > maxTimeout, "the timeout %s is not within 1 s to 24 h", f.Timeout)
	wrong(f.Concurrency < 1 || f.Concurrency > fc.MaxConcurrency, "instanceConcurrency %d is not within 1 to %d", f.Concurrency, fc.MaxConcurrency)
	wrong(size > fc.MaxEnvironmentBytes, "the environment variables have %d bytes, and %d are allowed", size, fc.MaxEnvironmentBytes)
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("the function %s: %w", f.Name, err)
	}
	return &f, nil
}

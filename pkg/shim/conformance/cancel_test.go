package conformance_test

import (
	ctx "context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/pkg/shim/conformance"
)

// silent is a subject whose containers run, and never listen.
type silent struct{}

func (silent) Start(ctx.Context, conformance.Case) (conformance.Instance, error) {
	return running{}, nil
}

type running struct{ conformance.Instance }

func (running) Dial(ctx.Context, int) (net.Conn, error) { return nil, errors.New("refused") }
func (running) Wait(c ctx.Context) (int, error)         { <-c.Done(); return 0, c.Err() }
func (running) Close() error                            { return nil }

// Whoever stops a suite does not wait for what a rule waits for.
func TestStopped(t *testing.T) {
	for name, wait := range map[string]func(*conformance.Trial){
		"ready":      func(t *conformance.Trial) { t.Raw() },
		"eventually": func(t *conformance.Trial) { t.Eventually("nothing", func() bool { return false }) },
		"sleep":      func(t *conformance.Trial) { t.Sleep(time.Minute) },
	} {
		t.Run(name, func(t *testing.T) {
			c, stop := ctx.WithCancelCause(t.Context())
			time.AfterFunc(50*time.Millisecond, func() { stop(errors.New("that is enough")) })
			r := conformance.Run(c, conformance.Options{Subject: silent{}}, conformance.Rule{Run: wait})
			if r.Took > 20*time.Second || !strings.Contains(strings.Join(r.Why, ""), "that is enough") {
				t.Errorf("after %s: %q", r.Took, r.Why)
			}
		})
	}
}

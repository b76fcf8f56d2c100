package dockerfile

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/util/grpcerrors"
	"google.golang.org/grpc/codes"

	"github.com/imgbuild/imgbuild/internal/lazyregexp"
	"github.com/imgbuild/imgbuild/pkg/buildkit"
)

// Failure is what went wrong in a Dockerfile or a command of it.
type Failure struct {
	// Step is what the builder calls the step that failed; may be empty.
	Step string
	// Said is the end of what the step said.
	Said string
	// Place shows the lines of the Dockerfile, as BuildKit does; may be empty.
	Place string
	Err   error
}

func (f *Failure) Unwrap() error { return f.Err }

// Error is all of it, on several lines.
func (f *Failure) Error() string {
	var s strings.Builder
	s.WriteString(f.Err.Error())
	if f.Said != "" {
		fmt.Fprintf(&s, "\n > %s:", f.Step)
		for line := range strings.Lines(f.Said) {
			s.WriteString("\n   " + strings.TrimRight(line, "\r\n"))
		}
	}
	if f.Place != "" {
		s.WriteString("\n" + strings.TrimRight(f.Place, "\n"))
	}
	return s.String()
}

// Quiet is the failure without the step's output, for those who have seen it.
func (f *Failure) Quiet() *Failure { return &Failure{Step: f.Step, Place: f.Place, Err: f.Err} }

// explain says what a build failed for.
func (w *work) explain(ctx context.Context, err error, watch *buildkit.Watch) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case w.own != nil:
		return w.own
	}
	if code := grpcerrors.Code(err); code == codes.Unavailable || gone().MatchString(err.Error()) {
		if w.builder.Alive(ctx) != nil {
			return w.gone(err)
		}
	}
	out := &Failure{}
	step, ok := errors.AsType[*buildkit.StepError](watch.Explain(err))
	if !ok {
		step = watch.Failed(err)
	}
	if step != nil {
		out.Step, out.Said = step.Name, strings.TrimRight(step.Said, "\n")
	}
	var place strings.Builder
	for _, s := range errdefs.Sources(err) {
		if e := s.Print(&place); e != nil {
			return e
		}
	}
	out.Place = place.String()
	text := plain(err.Error())
	way := w.wayOut(text, out.Place)
	text = sums().ReplaceAllString(text, "")
	if way != "" {
		text += "; " + way
	}
	out.Err = errors.New(text)
	return out
}

func (w *work) gone(err error) error {
	return fmt.Errorf("the builder %s is gone: %s; look at its log, and run the command again: steps that were done are not done again", w.builder.Address, plain(err.Error()))
}

// gone is how a connection ends that nobody closed here.
var gone = lazyregexp.New(`error reading from server: EOF|connection reset by peer|broken pipe|transport is closing|no active session`)

// wayOut is what to do about an error that does not say so itself.
func (w *work) wayOut(text, place string) string {
	switch {
	case w.Offline && denied(text):
		return "with --offline the builder fetches nothing: put what this is for into the context, or leave --offline out"
	case w.builder.IsDocker() && strings.Contains(text, "multiple references"):
		return "Docker's image store has one platform of an image: build for one, or name another builder with --buildkit"
	case w.builder.IsDocker() && strings.Contains(text, "cache export"):
		return "this Docker leaves no such cache; name another builder with --buildkit"
	case strings.Contains(text, "exec format error"):
		return fmt.Sprintf("the builder %s runs programs for %s only; name a builder that has the platform with --buildkit, or install QEMU there", w.builder.Address, strings.Join(w.builder.Platforms, ", "))
	case strings.Contains(text, "is not allowed") && strings.Contains(text, "network.host"):
		return "start buildkitd with --allow-insecure-entitlement network.host, or leave --network host out"
	case notThere().MatchString(text) && strings.Contains(place, ".."):
		return "a path does not lead out of the context: give a folder further up as DIR and the Dockerfile with --file, or name another folder with --build-context NAME=PATH and COPY --from=NAME"
	case notThere().MatchString(text):
		return "the context has no such file, or .dockerignore leaves it out"
	}
	return ""
}

// sums is through whose hands a missing file's error went.
var sums = lazyregexp.New(`failed to compute cache key: |failed to calculate checksum of ref \S+: `)

var notThere = lazyregexp.New(`failed to (calculate checksum|compute cache key).*not found`)

// plain takes the words off an error that only say through whose hands it went.
func plain(text string) string {
	for _, words := range []string{"failed to solve: ", "failed to run Build function: ", "rpc error: code = Unknown desc = ", "rpc error: code = Unavailable desc = ", "failed to solve with frontend dockerfile.v0: ", "dockerfile.v0: ", "failed to create LLB definition: "} {
		text = strings.ReplaceAll(text, words, "")
	}
	return text
}

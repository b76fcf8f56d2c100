package resolve

import (
	"context"
	"fmt"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/input/gotoolchain"
	"github.com/imgbuild/imgbuild/pkg/input/npm"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/mirror"
)

// Current returns the version of a locked input that the mirrors have now, for
// whoever finds that the locked one is gone.
func (r *Resolver) Current(ctx context.Context, l *lock.Lock, in lock.Input) (string, error) {
	switch in.Kind {
	case lock.KindDebian:
		return r.currentDebian(ctx, l, in)
	case lock.KindNPM:
		return npm.Current(ctx, r.source, in.Name)
	case lock.KindGo:
		series := in.Version
		if i := strings.LastIndexByte(series, '.'); strings.Count(series, ".") > 1 {
			series = series[:i]
		}
		_, platform, _ := strings.Cut(in.ID, "/")
		return gotoolchain.Newest(ctx, r.source, series, []string{strings.Replace(platform, "-", "/", 1)})
	}
	return "", fmt.Errorf("%s has no versions", in.ID)
}

func (r *Resolver) currentDebian(ctx context.Context, l *lock.Lock, in lock.Input) (string, error) {
	for _, a := range l.Archives {
		if a.Name != mirror.Debian {
			continue
		}
		suite, _, _ := strings.Cut(a.Suite, "-")
		arch := in.ID[strings.LastIndexByte(in.ID, '/')+1:]
		if arch == "all" {
			arch = "amd64" // every architecture lists these
		}
		opened, err := r.archive(ctx, suite, "linux/"+arch)
		if err != nil {
			return "", err
		}
		if v, ok := opened.Version(in.Name); ok {
			return v, nil
		}
	}
	return "", fmt.Errorf("no archive of the lock lists %s any more", in.Name)
}

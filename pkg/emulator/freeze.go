package emulator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/imgbuild/imgbuild/pkg/fc"
)

// rest has the instance frozen after a while, for it has no call.
func (i *instance) rest() {
	after := i.e.options.FreezeAfter
	if after < 0 {
		return
	}
	<-i.life
	defer i.letGo()
	if i.ended {
		return
	}
	if i.sleep == nil {
		i.sleep = time.AfterFunc(after, i.freeze)
		return
	}
	i.sleep.Reset(after)
}

// freeze freezes the instance unless it has got a call. /pre-freeze comes
// before; its failure does not keep the platform from freezing.
func (i *instance) freeze() {
	ctx := i.e.running
	if i.hold(ctx) != nil {
		return
	}
	defer i.letGo()
	if i.ended || i.frozen || i.e.busy(i) > 0 {
		return
	}
	if h := i.e.function.PreFreeze; h.Set {
		if err := i.hook(ctx, fc.PreFreeze, h); err != nil && ctx.Err() == nil {
			i.say("/pre-freeze: %v", err)
		}
		if i.e.busy(i) > 0 {
			return
		}
	}
	if err := i.run.Freeze(ctx); err != nil {
		if ctx.Err() == nil && !isClosed(i.run.Done()) {
			i.say("freezing: %v", err)
		}
		_ = i.run.Thaw(context.WithoutCancel(ctx)) // half of it may stand
		return
	}
	i.frozen = true
}

// wake thaws the instance for a call. It waits for a freeze that has begun.
func (i *instance) wake(ctx context.Context) error {
	if err := i.hold(ctx); err != nil {
		return err
	}
	defer i.letGo()
	if i.ended || isClosed(i.run.Done()) {
		return errors.New("the instance has ended")
	}
	if i.sleep != nil {
		i.sleep.Stop()
	}
	if !i.frozen {
		return nil
	}
	if err := i.run.Thaw(ctx); err != nil {
		return fmt.Errorf("thawing an instance: %w", err)
	}
	i.frozen = false
	return nil
}

// say puts a line of the emulator's own into the log.
func (i *instance) say(format string, args ...any) {
	i.log.line(fmt.Appendf(nil, "imgbuild: instance "+i.id+": "+format+"\n", args...))
}

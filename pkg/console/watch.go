package console

import (
	"context"
	"time"

	"github.com/imgbuild/imgbuild/pkg/snapshot"
)

// Watching: files are looked at so often, and this long after the last change
// they are taken for saved.
const (
	every  = 100 * time.Millisecond
	settle = 50 * time.Millisecond
)

// most is how many files a folder may have to be watched.
const most = 20000

// skipped are folders that are made, not written.
var skipped = map[string]bool{"node_modules": true, ".git": true, ".hg": true, ".svn": true, ".idea": true, ".vscode": true}

// Watch calls changed whenever files in the folders have changed, until ctx
// ends. More than 20,000 files are an error that wraps snapshot.ErrTooMany.
func Watch(ctx context.Context, dirs []string, changed func()) error {
	o := snapshot.Options{Roots: dirs, Skip: func(name string) bool { return skipped[name] }, Max: most}
	last, err := snapshot.Take(ctx, o)
	if err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(every):
		}
		// Taken first: a change between the two is one that Same sees.
		now, err := snapshot.Take(ctx, o)
		if err != nil {
			continue // a file that went away while it was looked at
		}
		same, err := last.Same(ctx, o)
		if err != nil {
			continue
		}
		last = now
		if same {
			continue
		}
		// Editors write in several steps.
		for until := time.Now().Add(time.Second); time.Now().Before(until); {
			time.Sleep(settle)
			if same, err := last.Same(ctx, o); err == nil && same {
				break
			}
			if now, err := snapshot.Take(ctx, o); err == nil {
				last = now
			}
		}
		if ctx.Err() == nil {
			changed()
		}
	}
}

// Package chromium drives a real Chromium in tests.
package chromium

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	cdpruntime "github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/imgbuild/imgbuild/internal/testtool"
)

// Tab is a tab of a real Chromium, and everything that went wrong in it.
type Tab struct {
	Context context.Context
	Base    string // what the addresses of all its requests begin with

	mu       sync.Mutex
	problems []string
}

// Open starts Chromium, with a profile of its own and for a reader of lang. Pages
// whose address begins with base are what it is to show.
func Open(t *testing.T, base, lang string) *Tab {
	t.Helper()
	testtool.Whole(t)
	path := testtool.Need(t, "chromium", "chromium")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.UserDataDir(t.TempDir()),
		// Root may not use the sandbox; the pages are our own.
		chromedp.NoSandbox,
		chromedp.Flag("accept-lang", lang),
		// Nothing of the browser's own goes out.
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
		chromedp.WSURLReadTimeout(time.Minute))...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	b := &Tab{Context: ctx, Base: base}
	t.Cleanup(func() {
		// The profile is in use until the browser has ended.
		if err := chromedp.Cancel(ctx); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	})
	if err := chromedp.Listen(ctx, b.listen); err != nil {
		t.Fatal(err)
	}
	Call(t, b, network.Enable, network.EnableParams{})
	Call(t, b, cdplog.Enable, cdp.Empty{})
	Call(t, b, cdpruntime.Enable, cdp.Empty{})
	return b
}

// listen notes what a good page does not do.
func (b *Tab) listen(event any) {
	problem := ""
	switch e := event.(type) {
	case *cdpruntime.EventExceptionThrown:
		problem = "exception: " + e.ExceptionDetails.Text
	case *cdpruntime.EventConsoleAPICalled:
		problem = "console." + string(e.Type)
	case *cdplog.EventEntryAdded:
		problem = fmt.Sprintf("%s: %s %s", e.Entry.Level, e.Entry.Text, e.Entry.URL)
	case *network.EventRequestWillBeSent:
		if u := e.Request.URL; !strings.HasPrefix(u, b.Base) && !strings.HasPrefix(u, "data:") {
			problem = "request to " + u
		}
	}
	if problem != "" {
		b.mu.Lock()
		b.problems = append(b.problems, problem)
		b.mu.Unlock()
	}
}

// Quiet fails where anything went wrong since it was called last.
func (b *Tab) Quiet(t *testing.T, where string) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.problems {
		t.Errorf("%s: %s", where, p)
	}
	b.problems = nil
}

// Call sends a command of Chromium's protocol.
func Call[P, R any](t *testing.T, b *Tab, c cdp.Command[P, R], params P) R {
	t.Helper()
	r, err := chromedp.Call(b.Context, c, params)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Eval returns the value of a JavaScript expression in the page, of a promise
// what it comes to.
func Eval[T any](t *testing.T, b *Tab, expression string) T {
	t.Helper()
	v, err := chromedp.Run(b.Context, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// Do does the actions in turn.
func (b *Tab) Do(t *testing.T, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(b.Context, actions...); err != nil {
		t.Fatal(err)
	}
}

package front

import (
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/fc"
	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

func TestAnswers(t *testing.T) {
	pass := func(o *Options) { o.PassHooks = true }
	only5xx := func(o *Options) { o.ErrorFrom = 500 }
	never := func(o *Options) { o.ErrorFrom = 0 }
	for _, c := range []struct {
		name   string
		call   *exchange
		answer program
		want   string
		log    string
		set    []func(*Options)
	}{
		{"an event", ask("POST", "/invoke", control, "/invoke"), says(200, "x"), "200 x-fc-status=200 x", "", nil},
		{"an event that fails", ask("POST", "/invoke", control, "/invoke"), says(500, "x"), "500 x-fc-status=404 x", "failed", nil},
		{"an event that is refused", ask("POST", "/invoke"), says(404, "x"), "404 x-fc-status=404 x", "failed", nil},
		{"its own status", ask("POST", "/invoke"), says(500, "x", "X-Fc-Status", "200"), "500 x-fc-status=200 x", "", nil},
		{"its own failure", ask("POST", "/invoke"), says(200, "x", "x-fc-status", "404"), "200 x-fc-status=404 x", "failed", nil},
		{"from 500", ask("POST", "/invoke"), says(404, "x"), "404 x-fc-status=200 x", "", []func(*Options){only5xx}},
		{"never", ask("POST", "/invoke"), says(500, "x"), "500 x-fc-status=200 x", "", []func(*Options){never}},
		{"an HTTP trigger", ask("GET", "/a"), says(500, "x"), "500 x", "", nil},
		{"a client that asks for /invoke", ask("POST", "/invoke", control, "/http-invoke"), says(500, "x"), "500 x", "", nil},
		{"an unknown initializer", ask("POST", "/initialize"), says(404, "none"), "200 x-fc-status=200 ", "", nil},
		{"a method not allowed", ask("POST", "/initialize"), says(405, "no", "Allow", "GET"), "200 x-fc-status=200 ", "", nil},
		{"an unknown hook passed", ask("GET", "/pre-stop"), says(404, "none"), "404 x-fc-status=200 none", "", []func(*Options){pass}},
		{"a hook that fails", ask("POST", "/initialize"), says(500, "x"), "500 x-fc-status=404 x", "failed", nil},
		{"a hook's own 404", ask("GET", "/pre-freeze"), says(404, "x", "x-fc-status", "404"), "404 x-fc-status=404 x", "failed", nil},
		{"reserved headers, platform", ask("GET", "/", control, "/http-invoke"),
			says(200, "", "Server", "s", "Date", "d", "X-Fc-Other", "o", "Content-Disposition", "attachment; filename=a", "X-A", "1"), "200 x-a=1 ", "", nil},
		{"reserved headers, elsewhere", ask("GET", "/"),
			says(200, "", "Server", "s", "Date", "d", "X-Fc-Other", "o", "Content-Disposition", "attachment", "X-A", "1"),
			"200 date=d content-disposition=attachment x-a=1 ", "", nil},
		{"reserved headers, Lambda", ask("GET", "/", control, "/http-invoke", "Lambda-Runtime-Deadline-Ms", "1"),
			says(200, "", "Date", "d", "X-A", "1"), "200 date=d x-a=1 ", "", nil},
	} {
		f, l := newFront(c.answer, c.set...)
		f.Serve(c.call)
		if got := c.call.text(); got != c.want || !c.call.ended {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		failed := strings.HasSuffix(l.lines[len(l.lines)-1], fc.LogFailed)
		if failed != (c.log == "failed") {
			t.Errorf("%s: log %q", c.name, l.lines)
		}
	}
}

func TestHookIsSaidOnce(t *testing.T) {
	f, l := newFront(says(404, ""))
	for range 3 {
		f.Serve(ask("POST", "/initialize"))
	}
	if n := strings.Count(strings.Join(l.lines, "\n"), "does not know /initialize"); n != 1 {
		t.Errorf("said %d times: %q", n, l.lines)
	}
}

func TestFailures(t *testing.T) {
	gone := program(func(message.Exchange) error {
		return &message.Failure{Status: 502, Type: message.ProgramExited, Message: "it ended"}
	})
	f, l := newFront(gone)
	l.tail = []string{"one", "two", "secret"}
	x := ask("POST", "/invoke")
	f.Serve(x)
	want := `502 content-type=application/json x-fc-status=404 {"errorType":"ProgramExited","errorMessage":"it ended; its last lines were:\ntwo\n***","requestId":"id-1"}` + "\n"
	if x.text() != want {
		t.Errorf("%q, want %q", x.text(), want)
	}

	own := program(func(message.Exchange) error {
		return &message.Failure{Status: 502, Type: message.ProgramExited, Message: "it ended", Lines: []string{"a", "b", "c"}}
	})
	f, l = newFront(own)
	l.tail = []string{"of another"}
	x = ask("GET", "/")
	if f.Serve(x); !strings.Contains(x.text(), `were:\nb\nc"`) {
		t.Errorf("%q does not carry the run's own lines", x.text())
	}

	refused := program(func(message.Exchange) error {
		return &message.Failure{Status: 400, Type: message.BadRequest, Message: "a bad chunk"}
	})
	f, l = newFront(refused)
	l.tail = []string{"of the program"}
	x = ask("POST", "/")
	if f.Serve(x); x.head.Status != 400 || strings.Contains(x.text(), "of the program") {
		t.Errorf("%q: a client's own fault shows the log", x.text())
	}

	broken := program(func(x message.Exchange) error {
		_ = x.Head(message.Head{Status: 200, Length: 10})
		return &message.Failure{Status: 502, Type: message.ProgramExited}
	})
	f, l = newFront(broken)
	x = ask("GET", "/")
	f.Serve(x)
	if x.text() != "aborted" || !strings.HasSuffix(l.lines[1], fc.LogFailed) {
		t.Errorf("%q, %q", x.text(), l.lines)
	}

	left := program(func(message.Exchange) error { return message.ErrAborted })
	f, l = newFront(left)
	x = ask("GET", "/")
	f.Serve(x)
	if x.text() != "aborted" || strings.HasSuffix(l.lines[1], fc.LogFailed) {
		t.Errorf("%q, %q", x.text(), l.lines)
	}
}

func TestRequestID(t *testing.T) {
	for id, kept := range map[string]bool{"1-a": true, "": false, "a b": false, "a,b": false, "a\u00e9": false, strings.Repeat("a", 129): false} {
		r := &message.Request{Header: message.Header{{Name: "X-FC-Request-Id", Value: id}}}
		got := requestID(r)
		if (got == id) != kept || r.Header.Get(fc.HeaderRequestID) != got || !validID(got) {
			t.Errorf("%q became %q", id, got)
		}
	}
	if a, b := newID(), newID(); a == b || len(a) != 36 || a[14] != '4' {
		t.Error(a, b)
	}
}

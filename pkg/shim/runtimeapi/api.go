package runtimeapi

import (
	"strings"
	"sync"
	"time"

	"github.com/imgbuild/imgbuild/pkg/fc"
	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// prefix is the path of the API's version that the SDK asks for.
const prefix = "/2020-11-11/runtime/invocation/"

// Options say how calls are handed over.
type Options struct {
	// Getenv finds what a request does not say of the function, such as its
	// name in FC_FUNCTION_NAME. nil: nothing is found.
	Getenv func(name string) string
	// Timeout is what the program is told where the request has no
	// x-fc-function-timeout. 0: 24 h, the platform's longest. It ends nothing.
	Timeout time.Duration
	// Memory is how many bytes are held in all for payloads over 64 KB and for
	// answers that are parsed. 0: 64 MB.
	Memory int64
}

// form is how an HTTP trigger's request is given to the program.
type form int32

// The forms; unknown finds out, see the package's documentation.
const (
	unknown  form = iota
	asEvent       // as a JSON event, as fc.Start wants it
	inParams      // in x-fc-http-params, as fc.StartHttp wants it
)

// API is the server of the runtime API (message.Handler) and the way to the
// program that polls it (message.Backend).
type API struct {
	options Options
	memory  *budget
	polled  chan struct{}
	ended   chan struct{} // closed once failure holds

	mu          sync.Mutex
	pollers     []*poller              // who waits for a call, the first first
	waiting     []*invocation          // calls that no poller has taken
	outstanding map[string]*invocation // calls that may be answered, by id
	abandoned   []string               // ids of calls nobody waits for any more
	form        form
	seen        bool // a poller was there
	failure     *message.Failure
}

// New makes an API.
func New(o Options) *API {
	if o.Getenv == nil {
		o.Getenv = func(string) string { return "" }
	}
	if o.Timeout <= 0 {
		o.Timeout = 24 * time.Hour
	}
	if o.Memory <= 0 {
		o.Memory = 64 << 20
	}
	return &API{
		options: o, memory: newBudget(o.Memory),
		polled: make(chan struct{}), ended: make(chan struct{}),
		outstanding: map[string]*invocation{},
	}
}

// Polled is closed at the first poll: the program is one that polls.
func (a *API) Polled() <-chan struct{} { return a.polled }

// End fails with f all calls that wait for the program, and all later ones,
// because it has gone. Only the first End counts.
func (a *API) End(f *message.Failure) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.failure == nil {
		a.failure = f
		close(a.ended)
	}
}

// Serve answers the program's requests to the API.
func (a *API) Serve(x message.Exchange) {
	r := x.Request()
	rest, ok := strings.CutPrefix(r.Path(), prefix)
	id, verb, two := strings.Cut(rest, "/")
	switch {
	case ok && rest == "next" && r.Method == "GET":
		a.poll(x)
	case ok && two && (verb == "response" || verb == "error") && r.Method == "POST":
		a.answer(x, id, verb == "error")
	case ok && (rest == "next" || verb == "response" || verb == "error"):
		refuse(x, 405, "MethodNotAllowed", r.Method+" is not the method of "+r.Path())
	default:
		refuse(x, 404, "NotFound", "the runtime API has no "+r.Path()+"; its paths begin with "+prefix)
	}
}

// refuse answers the program with an error.
func refuse(x message.Exchange, status int, kind, text string) {
	f := message.Failure{Type: kind, Message: text}
	message.Answer(x, status, message.Header{{Name: "Content-Type", Value: "application/json"}}, f.JSON())
}

// callOf says what kind of call r is.
func callOf(r *message.Request) fc.Call {
	return fc.CallOf(r.Header.Get(fc.HeaderControlPath), r.Method, r.Path())
}

// Package deploytest plays Function Compute's API of version 2023-03-30 for
// tests. It is written by hand from the documentation, verifies every signature
// by itself, and never met the cloud.
package deploytest

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"

	"github.com/imgbuild/imgbuild/pkg/openapi/openapitest"
)

// Account and Region are where the functions of a Platform are.
const (
	Account = "1234567890123456"
	Region  = "cn-hangzhou"
)

// Call is a request that came in.
type Call struct {
	Action string // from x-acs-action
	Host   string
	Body   map[string]any
}

// Reply is an answer in place of the platform's own. A zero Status is none.
type Reply struct {
	Status int
	Header map[string]string
	Body   string
	Drop   bool // the connection breaks
	// Late does the work first, and then gives this answer.
	Late bool
}

// Platform keeps functions in memory. Its fields are set before it is used.
type Platform struct {
	*openapitest.Verifier
	// Looks is how often a function is looked at until it is ready; 0 is at once.
	Looks int
	// Fail is the reason that an image cannot be made ready, "" for none.
	Fail func(image string) string
	// Instead answers in place of the platform, before or after its work.
	Instead func(Call) Reply
	// Run answers an invocation of a function with this image. Nil echoes.
	Run func(image string, event []byte) Reply

	mu        sync.Mutex
	functions map[string]*entry
	calls     []Call
	events    []string
}

type entry struct {
	fields   map[string]any // as they were sent
	running  string         // the image that is invoked
	looks    int            // until it is ready
	triggers map[string]map[string]any
}

// New returns an empty platform.
func New() *Platform {
	return &Platform{Verifier: openapitest.NewVerifier(), functions: map[string]*entry{}}
}

// Calls are the actions so far, in order.
func (p *Platform) Calls() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []string
	for _, c := range p.calls {
		all = append(all, c.Action)
	}
	return all
}

// Requests are the calls so far.
func (p *Platform) Requests() []Call {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Call(nil), p.calls...)
}

// Events are those of the invocations so far.
func (p *Platform) Events() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.events...)
}

// Function is what is kept of a function, nil for none.
func (p *Platform) Function(name string) map[string]any {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e := p.functions[name]; e != nil {
		return maps.Clone(e.fields)
	}
	return nil
}

// Image is that of the function's configuration.
func (p *Platform) Image(name string) string {
	c, _ := p.Function(name)["customContainerConfig"].(map[string]any)
	image, _ := c["image"].(string)
	return image
}

// Tag is a tag of the function.
func (p *Platform) Tag(name, key string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e := p.functions[name]; e != nil {
		for _, t := range e.tags() {
			if t["Key"] == key {
				v, _ := t["Value"].(string)
				return v
			}
		}
	}
	return ""
}

// Trigger is what is kept of a trigger, nil for none.
func (p *Platform) Trigger(function, name string) map[string]any {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e := p.functions[function]; e != nil {
		return maps.Clone(e.triggers[name])
	}
	return nil
}

// Put makes a function that is ready, or changes its fields, as the console
// does.
func (p *Platform) Put(name string, fields map[string]any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.functions[name]
	if e == nil {
		e = p.add(name)
	}
	maps.Copy(e.fields, fields)
	e.settle()
}

// SetRun sets Run while the platform is used.
func (p *Platform) SetRun(run func(image string, event []byte) Reply) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Run = run
}

func (p *Platform) add(name string) *entry {
	e := &entry{fields: map[string]any{
		"functionName": name, "functionArn": "acs:fc:" + Region + ":" + Account + ":functions/" + name,
		"state": "Active", "lastUpdateStatus": "Successful", "cpu": 0.5, "memorySize": 512.0, "timeout": 3.0, "instanceConcurrency": 1.0, "diskSize": 512.0,
	}, triggers: map[string]map[string]any{}}
	p.functions[name] = e
	return e
}

func (e *entry) image() string {
	c, _ := e.fields["customContainerConfig"].(map[string]any)
	image, _ := c["image"].(string)
	return image
}

func (e *entry) settle() { e.running = e.image() }

func (e *entry) tags() []map[string]any {
	list, _ := e.fields["tags"].([]any)
	var tags []map[string]any
	for _, t := range list {
		if t, ok := t.(map[string]any); ok {
			tags = append(tags, t)
		}
	}
	return tags
}

// ServeHTTP is one request.
func (p *Platform) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if code, canonical := p.Check(r, body); code != "" {
		// As the cloud does, with all that was signed.
		openapitest.Refuse(w, http.StatusForbidden, code, "The request signature we calculated does not match the signature you provided: "+canonical)
		return
	}
	if v := r.Header.Get("X-Acs-Version"); v != "2023-03-30" || !strings.HasPrefix(r.URL.Path, "/"+v+"/") {
		openapitest.Refuse(w, http.StatusBadRequest, "PathNotSupported", "'"+r.URL.Path+"' is not supported")
		return
	}
	c := Call{Action: r.Header.Get("X-Acs-Action"), Host: r.Host}
	json.Unmarshal(body, &c.Body)
	p.mu.Lock()
	p.calls = append(p.calls, c)
	instead := p.Instead
	p.mu.Unlock()
	var reply Reply
	if instead != nil {
		reply = instead(c)
	}
	if reply.Late {
		p.serve(&discard{}, r, c, body)
	}
	switch {
	case reply.Drop:
		panic(http.ErrAbortHandler)
	case reply.Status != 0:
		reply.write(w)
	default:
		p.serve(w, r, c, body)
	}
}

func (reply Reply) write(w http.ResponseWriter) {
	for k, v := range reply.Header {
		w.Header().Set(k, v)
	}
	w.WriteHeader(reply.Status)
	io.WriteString(w, reply.Body)
}

// discard is a ResponseWriter for nobody.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header {
	if d.header == nil {
		d.header = http.Header{}
	}
	return d.header
}
func (*discard) Write(b []byte) (int, error) { return len(b), nil }
func (*discard) WriteHeader(int)             {}

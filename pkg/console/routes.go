package console

import (
	"embed"
	"encoding/base64"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/emulator"
	"github.com/imgbuild/imgbuild/pkg/fc"
)

//go:embed page
var embedded embed.FS

// policy: the page is from here, and talks to here.
const policy = "default-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func (c *Console) routes() {
	files, err := fs.Sub(embedded, "page")
	if err != nil {
		panic(err) // it is embedded
	}
	static := http.FileServerFS(files)
	page := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("Cache-Control", "no-cache")
		static.ServeHTTP(w, r)
	}
	c.mux.HandleFunc("GET /{$}", page)
	c.mux.HandleFunc("GET /console.css", page)
	c.mux.HandleFunc("GET /console.js", page)
	c.mux.HandleFunc("GET /-/functions", own(c.list))
	c.mux.HandleFunc("GET /-/events", own(c.events))
	c.mux.HandleFunc("POST /2023-03-30/functions/{name}/invocations", own(c.invoke))
	c.mux.HandleFunc("/http/{name}/{path...}", c.http)
}

func (c *Console) list(w http.ResponseWriter, _ *http.Request) {
	type entry struct {
		Name    string `json:"name"`
		Trigger bool   `json:"trigger"`
	}
	all := []entry{}
	for _, s := range c.services {
		all = append(all, entry{s.Name, s.Trigger})
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(all) // the page may have gone
}

// events are server-sent events (HTML, "Server-sent events").
func (c *Console) events(w http.ResponseWriter, r *http.Request) {
	past, page, leave := c.hub.follow()
	defer leave()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	flush := http.NewResponseController(w)
	send := func(e event) bool {
		b, err := json.Marshal(e)
		if err != nil {
			return false
		}
		_, err = io.WriteString(w, "data: "+string(b)+"\n\n")
		return err == nil
	}
	for _, e := range past {
		if !send(e) {
			return
		}
	}
	_, _ = io.WriteString(w, ": that was\n\n")
	if flush.Flush() != nil {
		return
	}
	for {
		select {
		case e, ok := <-page:
			if !ok || !send(e) || flush.Flush() != nil {
				return
			}
		case <-r.Context().Done():
			return
		}
	}
}

// Headers of InvokeFunction (Function Compute's OpenAPI, version 2023-03-30).
const (
	headerInvocation = "X-Fc-Invocation-Type" // Sync or Async
	headerLogType    = "X-Fc-Log-Type"        // Tail or None
	headerLogResult  = "X-Fc-Log-Result"      // base64
	headerErrorType  = "X-Fc-Error-Type"
	headerDuration   = "X-Fc-Invocation-Duration" // ms
	headerMemory     = "X-Fc-Max-Memory-Usage"    // MB
	headerCold       = "X-Fc-Cold-Start"          // the console's own
)

func (c *Console) invoke(w http.ResponseWriter, r *http.Request) {
	s := c.service(r.PathValue("name"))
	if s == nil {
		http.Error(w, "there is no function "+r.PathValue("name"), http.StatusNotFound)
		return
	}
	// One byte more than is allowed is enough for the emulator to refuse it.
	payload, err := io.ReadAll(io.LimitReader(r.Body, fc.MaxBodyBytes+1))
	if err != nil {
		http.Error(w, "reading the event: "+err.Error(), http.StatusBadRequest)
		return
	}
	e, release, err := s.use(r.Context())
	if err != nil {
		refuse(w, err)
		return
	}
	if strings.EqualFold(r.Header.Get(headerInvocation), "Async") {
		async(w, e, release, payload)
		return
	}
	defer release()
	result, err := e.Invoke(r.Context(), payload)
	if err != nil {
		refuse(w, err)
		return
	}
	h := w.Header()
	h.Set(fc.HeaderRequestID, result.RequestID)
	h.Set(headerDuration, strconv.FormatFloat(float64(result.Duration.Microseconds())/1000, 'f', 2, 64))
	h.Set(headerMemory, strconv.FormatFloat(float64(result.Memory)/(1<<20), 'f', 2, 64))
	h.Set(headerCold, strconv.FormatBool(result.Cold))
	if result.Failed() {
		h.Set(headerErrorType, result.ErrorType)
	}
	if strings.EqualFold(r.Header.Get(headerLogType), "Tail") {
		h.Set(headerLogResult, base64.StdEncoding.EncodeToString(result.Log))
	}
	status := http.StatusOK // a function's own failure is one of the answer
	if result.Error != nil {
		status = result.Error.Status
	}
	// Whatever it is, no browser runs it as a page of the console's.
	h.Set("Content-Type", "application/octet-stream")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(result.Body)
}

// async answers at once. The generation stays until the call has ended.
func async(w http.ResponseWriter, e *emulator.Emulator, release func(), payload []byte) {
	id, done, err := e.InvokeAsync(payload)
	if err != nil {
		release()
		refuse(w, err)
		return
	}
	go func() {
		defer release()
		for range done { // it is closed in the end
		}
	}()
	w.Header().Set(fc.HeaderRequestID, id)
	w.WriteHeader(http.StatusAccepted)
}

// http is the trigger by its path, which the function does not see.
func (c *Console) http(w http.ResponseWriter, r *http.Request) {
	s := c.service(r.PathValue("name"))
	if s == nil {
		http.Error(w, "there is no function "+r.PathValue("name"), http.StatusNotFound)
		return
	}
	prefix := "/http/" + r.PathValue("name")
	r2 := r.Clone(r.Context())
	r2.URL.Path = strings.TrimPrefix(r.URL.Path, prefix)
	r2.URL.RawPath = strings.TrimPrefix(r.URL.RawPath, "/http/"+url.PathEscape(r.PathValue("name")))
	r2.RequestURI = r2.URL.RequestURI()
	s.trigger(w, r2)
}

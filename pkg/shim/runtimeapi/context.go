package runtimeapi

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/imgbuild/imgbuild/pkg/fc"
	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// Fields of the answer to a poll that are no field of the platform's requests.
const (
	headerDeadline = "x-fc-function-deadline" // milliseconds since 1970
	headerType     = "x-fc-function-type"
	headerParams   = "x-fc-http-params"
	headerRetries  = "x-fc-retry-count"
	headerBaggages = "x-fc-tracing-opentracing-span-baggages"
)

// known are the fields that the SDK's context is made of, and where the
// environment has the same for requests that do not say it.
var known = slices.Concat(fc.Variables, []struct{ Header, Variable string }{
	{fc.HeaderLogProject, ""},
	{fc.HeaderLogStore, ""},
	{"x-fc-function-initializer", ""},
	{"x-fc-initialization-timeout", ""},
	{"x-fc-instance-lifecycle-pre-stop-handler", ""},
	{"x-fc-instance-lifecycle-pre-freeze-handler", ""},
	{"x-fc-tracing-opentracing-span-context", ""},
	{"x-fc-tracing-jaeger-endpoint", ""},
})

// functionTypes are the values of x-fc-function-type.
var functionTypes = map[fc.Call]string{fc.HTTP: "0", fc.Invoke: "0", fc.Initialize: "1", fc.PreStop: "2", fc.PreFreeze: "3"}

// context makes the fields that go with a call's payload, all but its id. A
// set of credentials comes whole from the request or whole from the
// environment.
func (a *API) context(r *message.Request, call fc.Call, now time.Time) message.Header {
	h := make(message.Header, 0, len(known)+6)
	h.Add("x-fc-request-id", "") // invoke knows it
	h.Add("Content-Type", "application/octet-stream")
	h.Add(headerType, functionTypes[call])
	timeout, deadline := a.timeout(r, now)
	h.Add(fc.HeaderFunctionTimeout, strconv.Itoa(timeout))
	h.Add(headerDeadline, strconv.FormatInt(deadline, 10))
	own := r.Header.Has(fc.HeaderAccessKeyID)
	for i, k := range known {
		value := r.Header.Get(k.Header)
		if value == "" && k.Variable != "" && (i > 2 || !own) {
			value = a.options.Getenv(k.Variable)
		}
		if value != "" {
			h.Add(k.Header, value)
		}
	}
	if v := r.Header.Get(headerRetries); v != "" {
		if _, err := strconv.Atoi(v); err == nil {
			h.Add(headerRetries, v)
		}
	}
	if v := r.Header.Get(headerBaggages); v != "" {
		var baggages map[string]string
		if data, err := base64.StdEncoding.DecodeString(v); err == nil && json.Unmarshal(data, &baggages) == nil {
			h.Add(headerBaggages, v)
		}
	}
	return h
}

// timeout is the function's time-out in seconds and the moment it ends at, in
// milliseconds since 1970.
func (a *API) timeout(r *message.Request, now time.Time) (seconds int, deadline int64) {
	const most = math.MaxInt32
	seconds, err := strconv.Atoi(r.Header.Get(fc.HeaderFunctionTimeout))
	if err != nil || seconds <= 0 || seconds > most {
		seconds = int(min((a.options.Timeout+time.Second-1)/time.Second, most))
	}
	deadline, err = strconv.ParseInt(r.Header.Get(headerDeadline), 10, 64)
	if err != nil || deadline <= 0 {
		deadline = now.UnixMilli() + int64(seconds)*1000
	}
	return seconds, deadline
}

package runtimeapi

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/fc"
	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// maxError bounds an error's JSON; a stack of the SDK's has 32 frames.
const maxError = 1 << 20

// failed is what the program posted to /error.
type failed struct {
	json    []byte // as it came, so that the stack is kept
	Message string `json:"errorMessage"`
	Type    string `json:"errorType"`
}

// readError reads got, and lets it go.
func readError(got *answer) (*failed, error) {
	defer close(got.done)
	e := &failed{}
	if got.request.Body != nil {
		data, err := io.ReadAll(io.LimitReader(got.request.Body, maxError))
		if err != nil {
			return nil, brokenOff()
		}
		e.json = data
	}
	if json.Unmarshal(e.json, e) != nil || e.Message == "" && e.Type == "" {
		text := strings.ToValidUTF8(string(e.json), "\ufffd")
		e.json = fmt.Appendf(nil, `{"errorMessage":%s,"errorType":"UnknownError"}`, message.Quote(text))
		e.Message, e.Type = text, "UnknownError"
	}
	return e, nil
}

// wantsParams says that this is fc.StartHttp's refusal of a call that has no
// x-fc-http-params. It comes before any code of the user's.
func (e *failed) wantsParams() bool {
	return e.Type == "errorString" && e.Message == "no httpParams found in request"
}

// unknownHook says that the program has registered no such hook.
func (e *failed) unknownHook() bool {
	switch e.Message {
	case "no initializer handler registered", "no prefreeze handler registered", "no prestop handler registered":
		return e.Type == "errorString"
	}
	return false
}

// answer gives the error as the platform reads it: to an event 404, with
// x-fc-status; to an HTTP client 502. An initializer that failed is 500, upon
// which the platform starts the instance anew; a failed pre-freeze or pre-stop
// is 400, which does not hold up either. A hook that the program does not have
// is a 404 without x-fc-status, which the caller may answer for it.
func (e *failed) answer(x message.Exchange, call fc.Call) error {
	h := message.Header{{Name: "Content-Type", Value: "application/json"}}
	status := 404
	switch {
	case call.Hook() && e.unknownHook():
		message.Answer(x, 404, h, e.json)
		return nil
	case call == fc.HTTP:
		status = 502
	case call == fc.Initialize:
		status = 500
	case call.Hook():
		status = 400
	}
	if call.Event() {
		h.Add(fc.HeaderStatus, "404")
	}
	message.Answer(x, status, h, e.json)
	return nil
}

package lambda

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// errorTypeField is the request header, or trailer, that classes an error.
const errorTypeField = "Lambda-Runtime-Function-Error-Type"

// problem is why an event has no answer.
type problem struct{ kind, text string }

// header is that of a post to an error path.
func (p *problem) header() message.Header {
	return message.Header{
		{Name: "Content-Type", Value: "application/vnd.aws.lambda.error+json"},
		{Name: errorTypeField, Value: errorType(p.kind)},
	}
}

func (p *problem) json() []byte {
	return fmt.Appendf(nil, `{"errorMessage":%s,"errorType":%s,"stackTrace":[]}`, message.Quote(p.text), message.Quote(p.kind))
}

// errorType makes a kind of error one that can stand in a header.
func errorType(kind string) string {
	kind = strings.Map(func(c rune) rune {
		if c > ' ' && c < 0x7f {
			return c
		}
		return '_'
	}, kind)
	if kind == "" {
		return "Unknown"
	}
	return kind[:min(len(kind), 128)]
}

// maxErrorText bounds what an error takes over of an answer that is no error's
// JSON.
const maxErrorText = 64 << 10

// errorOf makes an error of an answer that says that an event has failed: its
// body as it is where that is an object with an errorMessage, as handlers and
// the shim itself write it.
func errorOf(status int, body []byte) (message.Header, []byte) {
	var e struct {
		Message *string `json:"errorMessage"`
		Type    string  `json:"errorType"`
	}
	if json.Unmarshal(body, &e) == nil && e.Message != nil {
		p := problem{kind: e.Type}
		return p.header(), body
	}
	text := strings.ToValidUTF8(string(body[:min(len(body), maxErrorText)]), "\ufffd")
	if text == "" {
		text = fmt.Sprintf("the program answered with status %d", status)
	}
	p := problem{fmt.Sprintf("HTTP%d", status), text}
	return p.header(), p.json()
}

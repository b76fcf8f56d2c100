package lambda

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/imgbuild/imgbuild/pkg/fc"
	"github.com/imgbuild/imgbuild/pkg/shim/http1"
	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// maxAnswer is Lambda's limit for an answer that is not streamed, 6 MB and a
// little ("Lambda quotas").
const maxAnswer = 6<<20 + 4<<10

// buffer is an answer that is held.
type buffer struct {
	data []byte
	over bool // it was longer than maxAnswer
}

var errTooLarge = errors.New("the answer is over Lambda's limit")

func (b *buffer) head(*message.Head) error { return nil }
func (b *buffer) flush() error             { return nil }
func (b *buffer) write(p []byte) error {
	if len(b.data)+len(p) > maxAnswer {
		b.over, b.data = true, nil
		return errTooLarge
	}
	b.data = append(b.data, p...)
	return nil
}

// httpAnswer is an HTTP answer as AWS's senders read it, and without body and
// what says how that is encoded the prelude of a streamed one.
type httpAnswer struct {
	Status      int    `json:"statusCode"`
	Description string `json:"statusDescription,omitempty"`
	// One of these is there, even if it is empty: a map of strings, or of
	// lists of them.
	Headers      any      `json:"headers,omitempty"`
	MultiHeaders any      `json:"multiValueHeaders,omitempty"`
	Cookies      []string `json:"cookies,omitempty"`
	Body         *string  `json:"body,omitempty"`
	Encoded      *bool    `json:"isBase64Encoded,omitempty"`
}

// newAnswer is h in the form that the sender reads. Fields of the same name
// become one, separated by commas, where it has no other way; but not cookies,
// for which a load balancer without multi-value headers has room for one.
func newAnswer(from source, h *message.Head) *httpAnswer {
	a := &httpAnswer{Status: h.Status}
	if from == alb || from == albMulti {
		a.Description = description(h)
	}
	single, multi := map[string]string{}, map[string][]string{}
	if from == v1 || from == albMulti {
		a.MultiHeaders = multi
	} else {
		a.Headers = single
	}
	for _, f := range h.Header {
		name := strings.ToLower(f.Name)
		if strings.HasPrefix(name, fc.Prefix) || strings.HasPrefix(name, runtimeFields) {
			continue
		}
		f.Value = strings.ToValidUTF8(f.Value, "\ufffd")
		before, again := single[name]
		switch {
		case a.MultiHeaders != nil:
			multi[name] = append(multi[name], f.Value)
		case name == "set-cookie" && from == v2:
			a.Cookies = append(a.Cookies, f.Value)
		case again && name != "set-cookie":
			single[name] = before + ", " + f.Value
		case !again:
			single[name] = f.Value
		}
	}
	return a
}

// description is what a load balancer wants as statusDescription: 200 OK.
func description(h *message.Head) string {
	reason := h.Reason
	if reason == "" {
		reason = http1.Reason(h.Status)
	}
	return strings.TrimSpace(strconv.Itoa(h.Status) + " " + strings.ToValidUTF8(reason, "\ufffd"))
}

// encode makes the whole answer of h and body.
func encode(from source, h *message.Head, body []byte) ([]byte, error) {
	a := newAnswer(from, h)
	coding := h.Header.Get("Content-Encoding")
	encoded := coding != "" && !message.Same(coding, "identity") || !utf8.Valid(body)
	text := ""
	if encoded {
		text = base64.StdEncoding.EncodeToString(body)
	} else {
		text = string(body)
	}
	a.Body, a.Encoded = &text, &encoded
	data := a.json()
	if len(data) > maxAnswer {
		return nil, errTooLarge
	}
	return data, nil
}

func (a *httpAnswer) json() []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // markup would get much longer
	_ = e.Encode(a)        // strings, numbers and maps of them: it cannot fail
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

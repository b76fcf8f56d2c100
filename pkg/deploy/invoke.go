package deploy

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/imgbuild/imgbuild/pkg/fc"
	"github.com/imgbuild/imgbuild/pkg/openapi"
)

// Test is the test request and what it got.
type Test struct {
	RequestID    string `json:"requestId"`
	Status       int    `json:"status"`
	Error        string `json:"error,omitempty"` // the platform's error type
	Milliseconds int64  `json:"milliseconds"`    // a cold start included
	// Log is the end of the function's log, at most 4 KiB, without the values
	// of its environment variables.
	Log string `json:"log,omitempty"`
}

// startPatience is what the platform waits for an instance to listen.
const startPatience = 120 * time.Second

// Response headers of an invocation ("InvokeFunction").
const (
	headerErrorType = "X-Fc-Error-Type"
	headerLogResult = "X-Fc-Log-Result"
	headerRequestID = "X-Fc-Request-Id"
)

// test sends one synchronous request with the event.
func (p *Deployment) test(ctx context.Context, f *function, event []byte) (*Test, error) {
	if len(event) > fc.MaxBodyBytes {
		return nil, fmt.Errorf("the event has %d bytes; the platform takes %d", len(event), fc.MaxBodyBytes)
	}
	start := time.Now()
	a, err := p.send(ctx, invokeHost(p.region, f.ARN), openapi.Request{
		Method: http.MethodPost, Path: "/" + version + p.path() + "/invocations", Action: "InvokeFunction",
		Header:      map[string]string{"X-Fc-Invocation-Type": "Sync", "X-Fc-Log-Type": "Tail"},
		ContentType: "application/octet-stream", Body: event, Raw: true,
		Patience: startPatience + time.Duration(f.Timeout)*time.Second + 10*time.Second,
		// What may have run once is not run again.
		Again: (*openapi.Refusal).Throttled, Lost: true,
	})
	if err != nil {
		return nil, err
	}
	t := &Test{
		RequestID: a.Header.Get(headerRequestID), Status: a.Status, Error: a.Header.Get(headerErrorType),
		Milliseconds: time.Since(start).Milliseconds(), Log: p.log(a.Header.Get(headerLogResult)),
	}
	if t.Error != "" {
		return t, fmt.Errorf("the function ends in %.100s%s, request %.80s", printable(t.Error), p.message(a.Body), printable(t.RequestID))
	}
	return t, nil
}

// message is what a function says of its error, on one line.
func (p *Deployment) message(body []byte) string {
	var doc struct {
		Type    string `json:"errorType"`
		Message string `json:"errorMessage"`
	}
	if json.Unmarshal(body, &doc) != nil || doc.Message == "" {
		return ""
	}
	text := doc.Message
	if doc.Type != "" {
		text = doc.Type + ": " + text
	}
	return fmt.Sprintf(" (%.300s)", printable(p.hide(text)))
}

// log is the decoded end of a log, without control characters but newlines.
func (p *Deployment) log(encoded string) string {
	data, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(data) > 64<<10 {
		return ""
	}
	var lines []string
	for line := range strings.Lines(p.hide(string(data))) {
		lines = append(lines, printable(strings.TrimRight(line, "\r\n")))
	}
	return strings.Join(lines, "\n")
}

// printable leaves out what acts on a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029':
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

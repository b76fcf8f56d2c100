package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/imgbuild/imgbuild/pkg/emulator"
)

// invoked is what --json prints of a call.
type invoked struct {
	RequestID  string      `json:"requestId"`
	InstanceID string      `json:"instanceId,omitempty"`
	Status     int         `json:"status"`
	Header     http.Header `json:"header,omitempty"`
	Body       string      `json:"body"`
	Base64     bool        `json:"base64,omitempty"` // the body is no text
	ErrorType  string      `json:"errorType,omitempty"`
	Log        string      `json:"log"` // the last 4 KB
	DurationMS float64     `json:"durationMs"`
	BilledMS   int64       `json:"billedMs"`
	StartMS    float64     `json:"startMs"` // before the duration: of an instance, where cold
	Memory     int         `json:"memoryMB"`
	MaxMemory  int64       `json:"maxMemoryBytes,omitempty"`
	Cold       bool        `json:"cold"`
	Retries    int         `json:"retries,omitempty"`
}

func newInvoked(r emulator.Result, memory int) invoked {
	i := invoked{
		RequestID: r.RequestID, InstanceID: r.InstanceID, Status: r.Status, Header: r.Header, Body: string(r.Body),
		ErrorType: r.ErrorType, Log: string(r.Log), DurationMS: milliseconds(r.Duration), BilledMS: r.Billed().Milliseconds(),
		StartMS: milliseconds(r.Start), Memory: memory, MaxMemory: r.Memory, Cold: r.Cold, Retries: r.Retries,
	}
	if !utf8.Valid(r.Body) {
		i.Body, i.Base64 = base64.StdEncoding.EncodeToString(r.Body), true
	}
	return i
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }

// tellInvoked prints a call: the answer as the result, the rest beside it.
func (g *global) tellInvoked(i invoked, r emulator.Result) error {
	var b strings.Builder
	if r.Header != nil {
		fmt.Fprintf(&b, "HTTP %d %s\n", r.Status, http.StatusText(r.Status))
		for _, name := range slices.Sorted(maps.Keys(r.Header)) {
			for _, value := range r.Header[name] {
				fmt.Fprintf(&b, "%s: %s\n", name, value)
			}
		}
	}
	fmt.Fprintf(&b, "RequestId: %s, Duration: %.2f ms, Billed Duration: %d ms, Memory Size: %d MB", i.RequestID, i.DurationMS, i.BilledMS, i.Memory)
	if i.MaxMemory > 0 {
		fmt.Fprintf(&b, ", Max Memory Used: %.2f MB", float64(i.MaxMemory)/(1<<20))
	}
	if i.Cold {
		fmt.Fprintf(&b, ", cold: started in %.0f ms", i.StartMS)
	} else if i.InstanceID != "" {
		b.WriteString(", warm")
	}
	if i.Retries > 0 {
		fmt.Fprintf(&b, ", retries: %d", i.Retries)
	}
	fmt.Fprintln(g.stderr, b.String())
	if g.json {
		return nil
	}
	body := r.Body
	if !bytes.HasSuffix(body, []byte("\n")) {
		body = append(bytes.Clone(body), '\n')
	}
	if _, err := fmt.Fprintln(g.stdout, "FC Invoke Result:"); err != nil {
		return err
	}
	_, err := g.stdout.Write(body)
	return err
}

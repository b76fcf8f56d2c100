package shim

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"strings"
	"sync"
)

// What the platform's console cuts a request's log out by, exactly
// (Function Compute, custom container, "log format").
const (
	logStart   = " Start RequestId: "
	logEnd     = " End RequestId: "
	logFailed  = ", Error: Unhandled function error"
	logPrefix  = "FC "
	maxLogLine = 512
	maxID      = 128
	remembered = 256
)

// Kinds of call, as the log lines name them.
const (
	kindInvoke     = "Invoke"
	kindInitialize = "Initialize"
	kindPreFreeze  = "PreFreeze"
	kindPreStop    = "PreStop"
)

// Names of the platform's headers.
const (
	headerRequestID   = "X-Fc-Request-Id"
	headerControlPath = "X-Fc-Control-Path"
	headerStatus      = "X-Fc-Status"
)

// kindOf tells the platform's calls apart by their header. Only where it is
// absent does the path say it: a client of an HTTP trigger may itself ask for
// /initialize, and local tools never send the header.
func kindOf(r *http.Request) string {
	path := r.Header.Get(headerControlPath)
	if path == "" {
		path = r.Method + " " + r.URL.Path
	}
	switch path {
	case "/initialize", "POST /initialize":
		return kindInitialize
	case "/pre-freeze", "GET /pre-freeze":
		return kindPreFreeze
	case "/pre-stop", "GET /pre-stop":
		return kindPreStop
	}
	return kindInvoke
}

// requestID is the platform's id of a request, or a new one.
func requestID(r *http.Request) string {
	if id := r.Header.Get(headerRequestID); id != "" && len(id) <= maxID && !strings.ContainsAny(id, " \t,") {
		return id
	}
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, see crypto/rand
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// journal writes the platform's lines around each request and leaves out the
// program's own copies of them, so that each is there once.
type journal struct {
	out *stream // nil: no lines are written

	mu     sync.Mutex
	calls  map[string]*call // in flight, and the last few that have ended
	ended  []string         // ring of ids in calls that have ended
	oldest int
}

// call is one request in the journal.
type call struct {
	id, kind string
	// failed makes the End line say so.
	failed bool
	// open counts requests of the same id in flight.
	open int
}

func newJournal() *journal { return &journal{calls: map[string]*call{}} }

// begin writes the Start line.
func (j *journal) begin(kind, id string) {
	if j.out == nil {
		return
	}
	j.mu.Lock()
	key := kind + " " + id
	c := j.calls[key]
	if c == nil {
		c = &call{id: id, kind: kind}
		j.calls[key] = c
	}
	c.open++
	j.mu.Unlock()
	j.out.line(logPrefix + kind + logStart + id + "\n")
}

// end writes the End line, after what the program has written by now.
func (j *journal) end(kind, id string, failed bool) {
	if j.out == nil {
		return
	}
	// The program's own End line may be on its way and say that it failed.
	j.out.settle()
	j.mu.Lock()
	key := kind + " " + id
	c := j.calls[key]
	failed = failed || c.failed
	if c.open--; c.open == 0 {
		j.remember(key)
	}
	j.mu.Unlock()
	text := logPrefix + kind + logEnd + id
	if failed {
		text += logFailed
	}
	j.out.line(text + "\n")
}

// remember keeps an ended call for copies of its lines that come late, and
// forgets the oldest one.
func (j *journal) remember(key string) {
	if len(j.ended) < remembered {
		j.ended = append(j.ended, key)
		return
	}
	if old := j.calls[j.ended[j.oldest]]; old != nil && old.open == 0 {
		delete(j.calls, j.ended[j.oldest])
	}
	j.ended[j.oldest] = key
	j.oldest = (j.oldest + 1) % remembered
}

// drop says whether a line of the program is a copy of one of the journal's.
func (j *journal) drop(line []byte) bool {
	rest, ok := bytes.CutPrefix(line, []byte(logPrefix))
	if !ok {
		return false
	}
	kind, rest, ok := bytes.Cut(rest, []byte(" "))
	if !ok {
		return false
	}
	id, ok := bytes.CutPrefix(rest, []byte(logStart[1:]))
	failed := false
	if !ok {
		if id, ok = bytes.CutPrefix(rest, []byte(logEnd[1:])); !ok {
			return false
		}
		id, failed = bytes.CutSuffix(id, []byte(logFailed))
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	c := j.calls[string(kind)+" "+string(id)]
	if c == nil {
		return false
	}
	c.failed = c.failed || failed
	return true
}

// mayBeLogLine says whether b begins like a line that drop may want.
func mayBeLogLine(b []byte) bool {
	n := min(len(b), len(logPrefix))
	return string(b[:n]) == logPrefix[:n]
}

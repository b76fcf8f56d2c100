package console

import (
	"bytes"
	"io"
	"sync"
)

// States of a function, as the page shows them.
const (
	stateStarting = "starting"
	stateReady    = "ready"
	stateChanged  = "changed"
	stateFailed   = "failed"
)

// event is something that the page shows.
type event struct {
	Function string `json:"function"`
	// State is "" where Text is a line of the log.
	State string `json:"state,omitempty"`
	Text  string `json:"text,omitempty"`
}

const (
	remembered = 500 // events that a page gets that is opened later
	waiting    = 256 // events that a page may be behind; it loses the rest
)

// hub gives events to the pages that are open.
type hub struct {
	log io.Writer

	mu     sync.Mutex
	past   []event
	pages  map[chan event]bool
	closed bool
}

func newHub(log io.Writer) *hub {
	if log == nil {
		log = io.Discard
	}
	return &hub{log: log, pages: map[chan event]bool{}}
}

func (h *hub) state(function, state, text string) {
	h.send(event{Function: function, State: state, Text: text})
}

func (h *hub) send(e event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return
	}
	line := "[" + e.Function + "] " + e.Text + "\n"
	if e.State != "" {
		line = "[" + e.Function + "] " + e.State
		if e.Text != "" {
			line += ": " + e.Text
		}
		line += "\n"
	}
	_, _ = io.WriteString(h.log, line) // a terminal that has gone
	if h.past = append(h.past, e); len(h.past) > 2*remembered {
		h.past = append(h.past[:0], h.past[len(h.past)-remembered:]...)
	}
	for page := range h.pages {
		select {
		case page <- e:
		default: // a slow page holds no function up
		}
	}
}

// follow returns what was, and a channel of what comes. It is closed with the
// hub.
func (h *hub) follow() (past []event, page chan event, leave func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	page = make(chan event, waiting)
	if h.closed {
		close(page)
		return nil, page, func() {}
	}
	h.pages[page] = true
	past = append(past, h.past[max(0, len(h.past)-remembered):]...)
	return past, page, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.pages, page)
	}
}

func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for page := range h.pages {
		close(page)
		delete(h.pages, page)
	}
}

// writer sends the lines that are written to it. The emulator writes whole ones.
func (h *hub) writer(function string) io.Writer { return &lines{hub: h, function: function} }

type lines struct {
	hub      *hub
	function string
	mu       sync.Mutex
	rest     []byte
}

// longest is how much of a line is shown, in bytes.
const longest = 16 << 10

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, p...)
	for {
		line, rest, ok := bytes.Cut(l.rest, []byte("\n"))
		if !ok && len(l.rest) < longest {
			return len(p), nil
		}
		if !ok {
			line, rest = l.rest[:longest], l.rest[longest:]
		}
		l.hub.send(event{Function: l.function, Text: string(bytes.ToValidUTF8(bytes.TrimRight(line, "\r"), []byte("\uFFFD")))})
		l.rest = append(l.rest[:0], rest...)
	}
}

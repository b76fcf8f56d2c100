package journal

import (
	"bytes"
	"encoding/json"
	"time"
	"unicode/utf8"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// maxObject is the longest message in bytes. Longer lines become several
// objects, all but the last of which are marked as partial.
const maxObject = 256 << 10

// objects makes each line a JSON object. Lines that are one pass unchanged.
type objects struct {
	stream string
	calls  *calls
	put    func([]byte)
	limit  int // of a message, in bytes

	line []byte // the beginning of a line, without its end
	id   string // of the only request in flight when the line began
	rest bool   // line goes on where a partial object has ended
	buf  []byte
}

// object is one line of a JSON log.
type object struct {
	time      time.Time
	stream    string
	requestID string
	message   []byte
	partial   bool
}

func (o *objects) pass(b []byte) {
	now := time.Now()
	for len(b) > 0 {
		if len(o.line) == 0 && !o.rest {
			o.id = o.calls.alone()
		}
		line, after, ended := bytes.Cut(b, newline)
		if room := o.limit - len(o.line); len(line) > room {
			o.line, b = append(o.line, line[:room]...), b[room:]
			n := wholeRunes(o.line)
			o.send(now, o.line[:n], true)
			o.line = append(o.line[:0], o.line[n:]...)
			continue
		}
		if !ended {
			o.line = append(o.line, line...)
			return
		}
		if len(o.line) > 0 {
			o.line = append(o.line, line...)
			line = o.line
		}
		o.send(now, bytes.TrimSuffix(line, []byte("\r")), false)
		o.line, b = o.line[:0], after
	}
}

// wholeRunes is the length of b without a rune that is not complete at its end.
func wholeRunes(b []byte) int {
	for i := len(b) - 1; i > 0 && i > len(b)-utf8.UTFMax; i-- {
		if utf8.RuneStart(b[i]) {
			if !utf8.FullRune(b[i:]) {
				return i
			}
			break
		}
	}
	return len(b)
}

// release sends the beginning of a line before its end has come.
func (o *objects) release() {
	if len(o.line) > 0 {
		o.send(time.Now(), o.line, true)
		o.line = o.line[:0]
	}
}

func (o *objects) send(now time.Time, line []byte, partial bool) {
	if !partial && !o.rest && isObject(line) {
		o.put(line)
		o.put(newline)
		return
	}
	id := o.id
	if id == "" {
		id = o.calls.named(line)
	}
	o.buf = appendObject(o.buf[:0], object{now, o.stream, id, line, partial})
	o.put(o.buf)
	o.rest = partial
	if cap(o.buf) > 2*o.limit {
		o.buf = nil
	}
}

// isObject says whether a line is one JSON object.
func isObject(line []byte) bool {
	t := bytes.TrimSpace(line)
	return len(t) > 1 && t[0] == '{' && t[len(t)-1] == '}' && json.Valid(t)
}

// appendObject appends o in one line, with its newline. The time is in
// milliseconds and UTC (RFC 3339).
func appendObject(b []byte, o object) []byte {
	b = append(b, `{"time":"`...)
	b = o.time.UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z")
	b = append(b, `","stream":"`...)
	b = append(b, o.stream...)
	if o.requestID != "" {
		b = append(b, `","requestId":`...)
		b = message.AppendQuoted(b, o.requestID)
		b = append(b, `,"message":`...)
	} else {
		b = append(b, `","message":`...)
	}
	b = message.AppendQuoted(b, o.message)
	if o.partial {
		b = append(b, `,"partial":true`...)
	}
	return append(b, "}\n"...)
}

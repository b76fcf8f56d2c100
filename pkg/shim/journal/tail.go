package journal

import (
	"bytes"
	"sync"
)

const (
	maxTail     = 8 << 10 // bytes of all lines together
	maxTailLine = 1 << 10 // bytes of one
)

// tail is the program's last lines, of both streams in the order in which
// they ended.
type tail struct {
	keep int

	mu    sync.Mutex
	lines [][]byte // ring, used again
	next  int
	halfs []*partial
}

// partial is the line that a stream is in.
type partial struct {
	text  []byte
	known bool // to the tail
}

func (t *tail) init(keep int) {
	t.keep = keep
	t.lines = make([][]byte, keep)
}

// note takes what the program wrote to the stream that p is of.
func (t *tail) note(p *partial, b []byte) {
	if t.keep == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !p.known {
		p.known = true
		t.halfs = append(t.halfs, p)
	}
	// Only the last lines of b count.
	from := len(b)
	for n := 0; n <= t.keep && from >= 0; n++ {
		from = bytes.LastIndexByte(b[:from], '\n')
	}
	if from >= 0 {
		b = b[from+1:]
		p.text = p.text[:0]
	}
	for len(b) > 0 {
		line, after, ended := bytes.Cut(b, newline)
		p.text = append(p.text, line[:min(len(line), maxTailLine-len(p.text))]...)
		if ended {
			t.add(bytes.TrimSuffix(p.text, []byte("\r")))
			p.text = p.text[:0]
		}
		b = after
	}
}

// add keeps a line, but no empty one.
func (t *tail) add(line []byte) {
	if len(line) > 0 {
		t.lines[t.next] = append(t.lines[t.next][:0], line...)
		t.next = (t.next + 1) % t.keep
	}
}

// last returns the lines, oldest first, those that are not ended last.
func (t *tail) last() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []string
	for i := range t.lines {
		if line := t.lines[(t.next+i)%t.keep]; len(line) > 0 {
			all = append(all, string(line))
		}
	}
	for _, p := range t.halfs {
		if len(p.text) > 0 {
			all = append(all, string(p.text))
		}
	}
	size, from := 0, len(all)
	for from > 0 && len(all)-from < t.keep && size+len(all[from-1]) <= maxTail {
		from--
		size += len(all[from])
	}
	return all[from:]
}

package once

import "strings"

// tailBytes bounds what is kept of stderr.
const tailBytes = 4 << 10

// tail keeps the end of what is added to it.
type tail struct {
	lines int // how many are wanted
	data  []byte
	cut   bool // the first line is not whole
}

func (t *tail) add(p []byte) {
	if len(p) > tailBytes {
		p, t.cut = p[len(p)-tailBytes:], true
	}
	t.data = append(t.data, p...)
	if over := len(t.data) - tailBytes; over > 0 {
		t.data = append(t.data[:0], t.data[over:]...)
		t.cut = true
	}
}

// last is the last lines, without their ends; not nil.
func (t *tail) last() []string {
	text := strings.TrimRight(string(t.data), "\r\n")
	if text == "" || t.lines <= 0 {
		return []string{}
	}
	lines := strings.Split(text, "\n")
	if t.cut && len(lines) > 1 {
		lines = lines[1:]
	}
	for i := range lines {
		lines[i] = strings.TrimSuffix(lines[i], "\r")
	}
	return lines[max(0, len(lines)-t.lines):]
}

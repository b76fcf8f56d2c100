package journal

import (
	"bytes"
	"hash/maphash"
	"strings"
	"sync"

	"github.com/imgbuild/imgbuild/pkg/fc"
)

// remembered is how many calls are known after their end, because copies of
// their lines can come late.
const remembered = 256

// seed makes keys that nobody can foresee.
var seed = maphash.MakeSeed()

// key stands for a call and its id. That two ids have one key is as likely as
// to guess 64 bits; then only a copy of a line would be taken for another.
type key uint64

func keyOf(call fc.Call, id string) key {
	return key(maphash.String(seed, id) ^ uint64(logName(call))*0x9e3779b97f4a7c15)
}

// calls are those in flight, and the last few that have ended.
type calls struct {
	ids bool // alone and named will be asked

	mu    sync.Mutex
	known map[key]call
	ended [remembered]key // ring
	next  int
	open  int // in flight
	only  key // all that are in flight, XORed: the key of the only one
}

type call struct {
	id     string // only where calls.ids
	open   int32  // requests of this id in flight
	kept   int32  // how often it stands in calls.ended
	failed bool   // as the program's own End line says
}

func (c *calls) init(ids bool) {
	c.ids = ids
	c.known = make(map[key]call, 2*remembered)
}

func (c *calls) begin(k key, id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known, ok := c.known[k]
	if c.ids && !ok {
		known.id = strings.Clone(id)
	}
	known.open++
	c.known[k] = known
	c.open++
	c.only ^= k
}

// end says whether the program has said that the call failed.
func (c *calls) end(k key) (failed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.known[k]
	known.open--
	known.kept++
	c.known[k] = known
	c.open--
	c.only ^= k
	last := c.ended[c.next]
	c.ended[c.next] = k
	c.next = (c.next + 1) % remembered
	if old, ok := c.known[last]; ok {
		if old.kept--; old.kept > 0 || old.open > 0 {
			c.known[last] = old
		} else {
			delete(c.known, last)
		}
	}
	return known.failed
}

// copyOf says whether a line of the program is a copy of one of the shim's.
func (c *calls) copyOf(line []byte) bool {
	for call := fc.Invoke; call <= fc.PreStop; call++ {
		if id, ok := bytes.CutPrefix(line, []byte(startText[call])); ok {
			return c.seen(keyOf(call, string(id)), false)
		}
		if id, ok := bytes.CutPrefix(line, []byte(endText[call])); ok {
			id, failed := bytes.CutSuffix(id, []byte(fc.LogFailed))
			return c.seen(keyOf(call, string(id)), failed)
		}
	}
	return false
}

func (c *calls) seen(k key, failed bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	known, ok := c.known[k]
	if ok && failed {
		known.failed = true
		c.known[k] = known
	}
	return ok
}

// mayBeCopy says whether b begins as copyOf's lines do.
func mayBeCopy(b []byte) bool {
	if len(b) > 0 && b[0] != 'F' {
		return false
	}
	for call := fc.Invoke; call <= fc.PreStop; call++ {
		for _, p := range [...]string{startText[call], endText[call]} {
			if n := min(len(b), len(p)); string(b[:n]) == p[:n] {
				return true
			}
		}
	}
	return false
}

// minID is how long an id must be to be found in a line of the program.
const minID = 16

// alone is the id of the only request in flight, "" where there is none or
// more than one.
func (c *calls) alone() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open != 1 {
		return ""
	}
	return c.known[c.only].id
}

// named is the id of a request in flight that a line carries, or "".
func (c *calls) named(line []byte) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open == 0 {
		return ""
	}
	// Where ids stand in lines, they stand near the beginning.
	line = line[:min(len(line), 512)]
	for len(line) >= minID {
		n := bytes.IndexFunc(line, func(r rune) bool { return !inID(r) })
		if n < 0 {
			n = len(line)
		}
		if n >= minID {
			for call := fc.Invoke; call <= fc.PreStop; call++ {
				if known, ok := c.known[keyOf(call, string(line[:n]))]; ok && known.open > 0 {
					return known.id
				}
			}
		}
		line = line[min(n+1, len(line)):]
	}
	return ""
}

func inID(r rune) bool {
	return r == '-' || r == '_' || '0' <= r && r <= '9' || 'a' <= r|0x20 && r|0x20 <= 'z' && r < 0x80
}

package journal

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/imgbuild/imgbuild/pkg/fc"
	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

const (
	// minSecret: shorter values would be found in innocent text.
	minSecret = 16
	// maxSecret bounds memory; of a longer value that many bytes are hidden.
	maxSecret = 16 << 10
	// mark stands in the place of a secret.
	mark = "***"
)

// kinds of secret headers, and how many values of each are remembered. The
// platform's credentials change rarely; each client has its own authorization,
// and platform and proxies let at most some 200 requests in at once.
const (
	accessKeySecret = iota
	securityToken
	authorization
	proxyAuthorization
	kinds
)

var remember = [kinds]int{4, 4, 240, 8}

// Hide remembers the credentials in a request's header, so that they are
// masked wherever they would reach a log. It is called before the program gets
// the request.
func (j *Journal) Hide(h message.Header) {
	for i := range h {
		if kind := kindOf(h[i].Name); kind < kinds {
			j.secrets.add(kind, credentials(kind, h[i].Value))
		}
	}
}

// kindOf looks at the length first: this is done for each field of each
// request.
func kindOf(name string) int {
	switch len(name) {
	case len(fc.HeaderAccessKeySecret):
		if message.Same(name, fc.HeaderAccessKeySecret) {
			return accessKeySecret
		}
	case len(fc.HeaderSecurityToken):
		if message.Same(name, fc.HeaderSecurityToken) {
			return securityToken
		}
		if message.Same(name, "proxy-authorization") {
			return proxyAuthorization
		}
	case len("authorization"):
		if message.Same(name, "authorization") {
			return authorization
		}
	}
	return kinds
}

// credentials are an authorization without its scheme (RFC 9110, section
// 11.4).
func credentials(kind int, value string) string {
	if kind < authorization {
		return value
	}
	if _, rest, ok := strings.Cut(value, " "); ok && len(rest) >= minSecret {
		return strings.TrimLeft(rest, " ")
	}
	return value
}

// secrets is the set of values to be hidden.
type secrets struct {
	// last is the latest value of each kind: mostly the next one is the same.
	last  [kinds]atomic.Pointer[string]
	count atomic.Int32

	mu    sync.Mutex
	known [kinds]map[string]*slot
	slots [kinds][]*slot
	hand  [kinds]int // where the oldest is
	// first counts values by their first byte, four by a hash of their first
	// four: most places in a text are told by these not to be secrets.
	first [256]uint16
	four  [1024]uint16
}

type slot struct {
	value string
	forms []string
	used  bool // came again since the hand passed
}

func (s *secrets) add(kind int, value string) {
	if len(value) < minSecret {
		return
	}
	value = value[:min(len(value), maxSecret)]
	if last := s.last[kind].Load(); last != nil && *last == value {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.known[kind][value]; p != nil {
		p.used = true
		s.last[kind].Store(&p.value)
		return
	}
	// Not a substring of the request's head, which would be kept whole.
	p := &slot{value: strings.Clone(value)}
	p.forms = forms(p.value)
	s.put(kind, p)
	s.last[kind].Store(&p.value)
}

// put takes p in, where there is no room in the place of the oldest value that
// did not come again.
func (s *secrets) put(kind int, p *slot) {
	if s.known[kind] == nil {
		s.known[kind] = map[string]*slot{}
	}
	s.known[kind][p.value] = p
	s.index(p, 1)
	if len(s.slots[kind]) < remember[kind] {
		s.slots[kind] = append(s.slots[kind], p)
		s.count.Add(1)
		return
	}
	for {
		place := &s.slots[kind][s.hand[kind]]
		s.hand[kind] = (s.hand[kind] + 1) % remember[kind]
		if old := *place; !old.used {
			delete(s.known[kind], old.value)
			s.index(old, ^uint16(0)) // -1
			*place = p
			return
		}
		(*place).used = false
	}
}

func (s *secrets) index(p *slot, delta uint16) {
	for _, form := range p.forms {
		s.first[form[0]] += delta
		s.four[hash4(form)] += delta
	}
}

// forms are how programs print a value: as it is, as part of a URL (RFC 3986,
// section 2.1; signed URLs carry the token), and in JSON whose writer escapes
// slashes.
func forms(value string) []string {
	all := []string{value}
	var b strings.Builder
	for _, c := range []byte(value) {
		if strings.IndexByte("-_.~", c) >= 0 || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	for _, other := range []string{b.String(), strings.ReplaceAll(value, "/", `\/`)} {
		if other != value {
			all = append(all, other)
		}
	}
	return all
}

func hash4[T string | []byte](b T) uint32 {
	return (uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24) * 0x9e3779b1 >> 22
}

// find looks for the first secret in b: b[at:at+n]. Where b ends in what may
// be the beginning of one, n is 0 and b[:at] is free of secrets. final means
// that nothing follows b.
func (s *secrets) find(b []byte, final bool) (at, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range b {
		if s.first[b[i]] == 0 || len(b)-i >= 4 && s.four[hash4(b[i:])] == 0 {
			continue
		}
		whole, begun := s.at(b[i:])
		if begun && !final {
			return i, 0
		}
		if whole > 0 {
			return i, whole
		}
	}
	return len(b), 0
}

// at says how long the longest secret is that b begins with, and whether all
// of b is the beginning of a longer one.
func (s *secrets) at(b []byte) (whole int, begun bool) {
	for kind := range s.slots {
		for i := range s.slots[kind] {
			for _, v := range s.slots[kind][i].forms {
				if len(v) > len(b) {
					begun = begun || v[:len(b)] == string(b)
				} else if len(v) > whole && string(b[:len(v)]) == v {
					whole = len(v)
				}
			}
		}
	}
	return whole, begun
}

// mask is text without secrets, and without a beginning of one at its end.
func (s *secrets) mask(text string) string {
	if s.count.Load() == 0 {
		return text
	}
	b := []byte(text)
	var out bytes.Buffer
	for {
		at, n := s.find(b, false)
		if n == 0 && len(b)-at < minSecret {
			at = len(b) // too little to be one
		}
		out.Write(b[:at])
		if at == len(b) {
			return out.String()
		}
		out.WriteString(mark)
		if n == 0 {
			return out.String()
		}
		b = b[at+n:]
	}
}

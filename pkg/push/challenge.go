package push

import "strings"

// challenge is one way a registry wants to be asked (RFC 9110, 11.6.1).
type challenge struct {
	scheme string // lower case: "basic", "bearer"
	params map[string]string
}

// parseChallenges reads WWW-Authenticate headers. What cannot be read is left
// out: one odd challenge must not hide a usable one.
func parseChallenges(headers []string) []challenge {
	var out []challenge
	for _, h := range headers {
		p := &headerParser{rest: h}
		var at *challenge
		for {
			p.skip(" \t,")
			word := p.token()
			if word == "" {
				break
			}
			p.skip(" \t")
			if at != nil && p.take('=') {
				p.skip(" \t")
				v, ok := p.value()
				if !ok {
					break
				}
				at.params[strings.ToLower(word)] = v
				continue
			}
			out = append(out, challenge{scheme: strings.ToLower(word), params: map[string]string{}})
			at = &out[len(out)-1]
		}
	}
	return out
}

type headerParser struct{ rest string }

func (p *headerParser) skip(chars string) { p.rest = strings.TrimLeft(p.rest, chars) }

func (p *headerParser) take(c byte) bool {
	if p.rest == "" || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

func (p *headerParser) token() string {
	n := strings.IndexFunc(p.rest, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
	if n < 0 {
		n = len(p.rest)
	}
	t := p.rest[:n]
	p.rest = p.rest[n:]
	return t
}

// value is a token or a quoted string.
func (p *headerParser) value() (string, bool) {
	if !p.take('"') {
		t := p.token()
		return t, t != ""
	}
	var b strings.Builder
	for i := 0; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '"':
			p.rest = p.rest[i+1:]
			return b.String(), true
		case c == '\\' && i+1 < len(p.rest):
			i++
			b.WriteByte(p.rest[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}

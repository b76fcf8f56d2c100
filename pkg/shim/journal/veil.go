package journal

import "bytes"

// veil puts a mark in the place of each secret in the program's output. What
// goes through does not depend on how the bytes are cut.
type veil struct {
	secrets *secrets
	next    func([]byte)

	held []byte // the beginning of what may be a secret
}

func (v *veil) pass(b []byte) { v.carry(b, false) }

// release lets what is held go: the rest has not come.
func (v *veil) release() {
	if len(v.held) > 0 {
		v.carry(nil, true)
	}
}

func (v *veil) carry(b []byte, final bool) {
	if len(v.held) > 0 {
		b = append(v.held, b...)
		v.held = nil
	}
	if v.secrets.count.Load() == 0 {
		v.next(b)
		return
	}
	for len(b) > 0 {
		at, n := v.secrets.find(b, final)
		if at > 0 {
			v.next(b[:at])
		}
		if n == 0 {
			if at < len(b) {
				v.held = bytes.Clone(b[at:])
			}
			return
		}
		v.next([]byte(mark))
		b = b[at+n:]
	}
}

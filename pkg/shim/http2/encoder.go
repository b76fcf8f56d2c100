package http2

import "strconv"

// The encoder keeps no dynamic table, so that blocks of several streams can be
// made at once and in any order: a field is an index of the static table, or a
// literal without indexing (RFC 7541, section 6.2.2). noTable tells the peer
// so; it begins the first block of a connection. Thus a peer that reduces
// SETTINGS_HEADER_TABLE_SIZE need not be answered (section 4.2).
const noTable = 0x20

// appendField appends a field; the letters of its name become small.
func appendField(b []byte, name, value string) []byte {
	start := len(b)
	b = append(b, 0)
	b = appendString(b, name, true)
	if i := staticNames[string(b[len(b)-len(name):])]; i > 0 {
		b = appendInteger(b[:start], 4, 0, i)
	}
	return appendString(b, value, false)
}

// appendStatus appends the pseudo-field :status.
func appendStatus(b []byte, status int) []byte {
	text := strconv.Itoa(status)
	for i := 8; i <= 14; i++ {
		if static[i].Value == text {
			return append(b, 0x80|byte(i))
		}
	}
	return appendField(b, ":status", text)
}

func appendString(b []byte, s string, lower bool) []byte {
	b = appendInteger(b, 7, 0, len(s))
	at := len(b)
	b = append(b, s...)
	if lower {
		for i, c := range b[at:] {
			if 'A' <= c && c <= 'Z' {
				b[at+i] = c | 0x20
			}
		}
	}
	return b
}

// appendInteger appends n with a prefix of that many bits, the bits before it
// being first (RFC 7541, section 5.1).
func appendInteger(b []byte, prefix int, first byte, n int) []byte {
	most := 1<<prefix - 1
	if n < most {
		return append(b, first|byte(n))
	}
	b = append(b, first|byte(most))
	for n -= most; n >= 0x80; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(b, byte(n))
}

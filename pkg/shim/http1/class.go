package http1

// What a byte may be part of.
const (
	token  = 1 << iota // tchar, RFC 9110, section 5.6.2
	text               // a field value: VCHAR, obs-text, SP and HTAB, section 5.5
	target             // a request target: VCHAR, and bytes over 0x7f that clients send raw
	host               // uri-host and port without userinfo, RFC 3986, section 3.2.2
)

var class = func() (t [256]uint8) {
	for c := range t {
		if c >= ' ' && c != 0x7f || c == '\t' {
			t[c] |= text
		}
		if c > ' ' && c != 0x7f {
			t[c] |= target
		}
		if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
			t[c] |= token | host
		}
	}
	for _, c := range []byte("!#$%&'*+-.^_`|~") {
		t[c] |= token
	}
	for _, c := range []byte("!$%&'()*+,-.:;=[]_~") {
		t[c] |= host
	}
	return t
}()

// only says whether s consists of bytes of a class.
func only(s string, of uint8) bool {
	for i := 0; i < len(s); i++ {
		if class[s[i]]&of == 0 {
			return false
		}
	}
	return true
}

// trim takes optional white space off both ends (OWS, RFC 9110, section 5.6.3).
func trim(s string) string {
	for len(s) > 0 && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for len(s) > 0 && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}

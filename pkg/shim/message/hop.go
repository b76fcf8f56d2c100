package message

import "github.com/imgbuild/imgbuild/pkg/fc"

// OfConnection says whether a field belongs to one connection and is never
// passed on (RFC 9110, section 7.6.1; RFC 9113, section 8.2.2).
func OfConnection(name string) bool {
	switch len(name) {
	case len("Upgrade"):
		return Same(name, "Upgrade")
	case len("Connection"):
		return Same(name, "Connection") || Same(name, "Keep-Alive")
	case len("Proxy-Connection"):
		return Same(name, "Proxy-Connection")
	case len("Transfer-Encoding"):
		return Same(name, "Transfer-Encoding")
	}
	return false
}

// Nominates says whether the Connection field of a request makes another field
// one of this connection only (RFC 9110, section 7.6.1). It must not do so to
// fields for all recipients: a client could otherwise take off what the
// platform says.
func (h Header) Nominates(name string) bool {
	return h.HasToken("Connection", name) && !Same(name, "Host") && !fc.Own(name)
}

package message

import (
	"iter"
	"strings"
)

// Field is one header or trailer field: its name as it came, and its value
// without white space around it.
type Field struct{ Name, Value string }

// Header is fields in the order they came in. Names are compared without
// regard to case.
type Header []Field

// Get returns the first value of name, "" where there is none.
func (h Header) Get(name string) string {
	for i := range h {
		if Same(h[i].Name, name) {
			return h[i].Value
		}
	}
	return ""
}

// Has says whether there is a field of that name.
func (h Header) Has(name string) bool {
	for i := range h {
		if Same(h[i].Name, name) {
			return true
		}
	}
	return false
}

// Values yields all values of name.
func (h Header) Values(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range h {
			if Same(h[i].Name, name) && !yield(h[i].Value) {
				return
			}
		}
	}
}

// Tokens yields the elements of the comma-separated lists that fields of that
// name hold (RFC 9110, section 5.6.1), without empty ones.
func (h Header) Tokens(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for v := range h.Values(name) {
			for t := range strings.SplitSeq(v, ",") {
				if t = strings.Trim(t, " \t"); t != "" && !yield(t) {
					return
				}
			}
		}
	}
}

// HasToken says whether one of Tokens is t, without regard to case.
func (h Header) HasToken(name, t string) bool {
	for v := range h.Tokens(name) {
		if Same(v, t) {
			return true
		}
	}
	return false
}

// Add appends a field.
func (h *Header) Add(name, value string) { *h = append(*h, Field{name, value}) }

// Set replaces all fields of that name by one, in the place of the first.
func (h *Header) Set(name, value string) {
	for i := range *h {
		if Same((*h)[i].Name, name) {
			(*h)[i] = Field{name, value}
			rest := (*h)[i+1:]
			rest.Del(name)
			*h = (*h)[:i+1+len(rest)]
			return
		}
	}
	h.Add(name, value)
}

// Del takes all fields of that name out.
func (h *Header) Del(name string) {
	kept := (*h)[:0]
	for _, f := range *h {
		if !Same(f.Name, name) {
			kept = append(kept, f)
		}
	}
	*h = kept
}

// Clone is a copy that shares nothing that can be written to.
func (h Header) Clone() Header { return append(Header(nil), h...) }

// Same compares two field names or tokens without regard to the case of ASCII
// letters.
func Same(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := 0; i < len(a); i++ {
		x, y := a[i], b[i]
		if x == y {
			continue
		}
		if x|0x20 != y|0x20 || x|0x20 < 'a' || x|0x20 > 'z' {
			return false
		}
	}
	return true
}

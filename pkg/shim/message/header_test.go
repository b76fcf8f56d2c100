package message

import (
	"reflect"
	"slices"
	"testing"
)

func TestHeader(t *testing.T) {
	h := Header{{"Host", "a"}, {"connection", "close, X-One"}, {"CONNECTION", " ,x-two,"}, {"X-One", "1"}}
	if h.Get("HOST") != "a" || h.Get("x-none") != "" || !h.Has("x-one") || h.Has("x") {
		t.Error("Get or Has")
	}
	if got := slices.Collect(h.Tokens("Connection")); !slices.Equal(got, []string{"close", "X-One", "x-two"}) {
		t.Errorf("Tokens: %q", got)
	}
	if !h.HasToken("Connection", "X-TWO") || h.HasToken("connection", "two") {
		t.Error("HasToken")
	}
	copied := h.Clone()
	h.Set("Connection", "keep-alive")
	if want := (Header{{"Host", "a"}, {"Connection", "keep-alive"}, {"X-One", "1"}}); !reflect.DeepEqual(h, want) {
		t.Errorf("Set: %v", h)
	}
	h.Set("X-Two", "2")
	h.Del("host")
	if want := (Header{{"Connection", "keep-alive"}, {"X-One", "1"}, {"X-Two", "2"}}); !reflect.DeepEqual(h, want) {
		t.Errorf("Del: %v", h)
	}
	if len(copied) != 4 || copied[1].Value != "close, X-One" {
		t.Errorf("the clone changed: %v", copied)
	}
}

func TestSame(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"", "", true}, {"Abc", "aBC", true}, {"a", "ab", false}, {"a-b", "A-B", true},
		{"@", "`", false}, {"[", "{", false}, {"k", "\u212a", false}, {"\r", "-", false},
	} {
		if Same(c.a, c.b) != c.want {
			t.Errorf("Same(%q, %q) is not %v", c.a, c.b, c.want)
		}
	}
}

func TestPath(t *testing.T) {
	for target, want := range map[string]string{
		"/": "/", "/a?b/c": "/a", "http://h/x?y": "/x", "http://h": "/", "*": "*", "h:443": "h:443", "//a": "//a",
	} {
		if got := (&Request{Target: target}).Path(); got != want {
			t.Errorf("%s: %s, want %s", target, got, want)
		}
	}
}

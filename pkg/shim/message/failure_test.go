package message

import (
	"encoding/json"
	"testing"
)

func TestFailureJSON(t *testing.T) {
	f := &Failure{Type: ProgramExited, Message: "a \"b\" \\ \x01 \u2028", RequestID: "1", Lines: []string{"one\ttab", "two \xff"}}
	var got map[string]string
	if err := json.Unmarshal(f.JSON(), &got); err != nil {
		t.Fatalf("%v: %s", err, f.JSON())
	}
	if got["errorType"] != "ProgramExited" || got["requestId"] != "1" ||
		got["errorMessage"] != "a \"b\" \\ \x01 \u2028; its last lines were:\none\ttab\ntwo \ufffd" {
		t.Errorf("%q", got)
	}
}

func FuzzQuote(f *testing.F) {
	f.Add("a\"\\\n\x00\xff\u2029")
	f.Fuzz(func(t *testing.T, s string) {
		var got string
		if err := json.Unmarshal([]byte(Quote(s)), &got); err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		if want := string([]rune(s)); got != want {
			t.Fatalf("%q came back as %q", want, got)
		}
	})
}

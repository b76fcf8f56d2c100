package shim

import (
	"encoding/json"
	"strings"
	"testing"
)

// FuzzFailureJSON: what Failure renders is JSON that says the same.
func FuzzFailureJSON(f *testing.F) {
	f.Add("a \"quoted\" \\ line\nwith\x00 <&> 你好", "id")
	f.Add("\xff\xfe", "\u2028")
	f.Fuzz(func(t *testing.T, message, id string) {
		text := Failure{ProgramExited, message, id}.JSON()
		var got struct{ ErrorType, ErrorMessage, RequestID string }
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		want := func(s string) string { return string([]rune(s)) } // bytes that are not UTF-8 become U+FFFD
		if got.ErrorMessage != want(message) || got.RequestID != want(id) || got.ErrorType != ProgramExited {
			t.Errorf("%q came back as %+v", text, got)
		}
		if strings.Count(text, "\n") != 1 {
			t.Errorf("%q is not one line", text)
		}
	})
}

package fc

import "testing"

func TestCallOf(t *testing.T) {
	for _, c := range []struct {
		control, method, path string
		want                  Call
	}{
		{"/invoke", "POST", "/invoke", Invoke},
		{"/http-invoke", "POST", "/invoke", HTTP}, // a client that asks for /invoke itself
		{"/http-invoke", "GET", "/pre-stop", HTTP},
		{"/initialize", "POST", "/initialize", Initialize},
		{"/pre-freeze", "GET", "/pre-freeze", PreFreeze},
		{"/pre-stop", "GET", "/pre-stop", PreStop},
		{"", "POST", "/invoke", Invoke}, // local tools
		{"", "GET", "/invoke", HTTP},
		{"", "POST", "/initialize", Initialize},
		{"", "GET", "/pre-freeze", PreFreeze},
		{"", "POST", "/pre-stop", HTTP},
		{"", "GET", "/", HTTP},
		{"/other", "POST", "/invoke", HTTP},
	} {
		if got := CallOf(c.control, c.method, c.path); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

func TestLines(t *testing.T) {
	for got, want := range map[string]string{
		Invoke.StartLine("a"):         "FC Invoke Start RequestId: a",
		HTTP.EndLine("a", false):      "FC Invoke End RequestId: a",
		Invoke.EndLine("a", true):     "FC Invoke End RequestId: a, Error: Unhandled function error",
		Initialize.StartLine("a"):     "FC Initialize Start RequestId: a",
		PreFreeze.StartLine("a"):      "FC PreFreeze Start RequestId: a",
		PreStop.EndLine("a-b", false): "FC PreStop End RequestId: a-b",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestReserved(t *testing.T) {
	for _, c := range []struct {
		name, value string
		want        bool
	}{
		{"X-Fc-Anything", "", true}, {"Date", "", true}, {"SERVER", "", true}, {"Connection", "", true},
		{"Keep-Alive", "", true}, {"Content-Length", "", true}, {"Content-Type", "", false},
		{"Content-Disposition", "attachment; filename=a", true}, {"content-disposition", " Attachment", true},
		{"Content-Disposition", "inline", false}, {"Content-Disposition", "attachments", false}, {"X-Fcx", "", false},
	} {
		if got := Reserved(c.name, c.value); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

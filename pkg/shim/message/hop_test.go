package message

import "testing"

func TestOfConnection(t *testing.T) {
	for name, want := range map[string]bool{
		"connection": true, "Keep-Alive": true, "PROXY-CONNECTION": true, "transfer-encoding": true, "Upgrade": true,
		"": false, "TE": false, "Trailer": false, "Host": false, "X-Upgrade": false, "Content-Length": false, "Connectios": false,
	} {
		if OfConnection(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}

func TestNominates(t *testing.T) {
	h := Header{{"Connection", "close, X-One"}, {"Connection", "host, X-FC-Request-Id"}}
	for name, want := range map[string]bool{"x-one": true, "X-Two": false, "Host": false, "X-Fc-Request-Id": false} {
		if h.Nominates(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}

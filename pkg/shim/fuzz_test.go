package shim

import "testing"

// FuzzSettings: no value of any setting does more than be refused.
func FuzzSettings(f *testing.F) {
	for _, v := range []string{":8080", "/run/a.sock", "3000", "[::1]:80", "9s", "64KB", "on", "4xx", "65536", "-1", "1099511627775GB"} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, v string) {
		for _, s := range Table {
			var settings Settings
			if err := s.set(&settings, v); err != nil {
				continue
			}
			switch {
			case settings.Grace < 0, settings.Timeout < 0, settings.Linger < 0, settings.Ready < 0,
				settings.Concurrency < 0, settings.Queue < 0, settings.ErrorLines < 0, settings.HeaderLimit < 0, settings.BodyLimit < 0:
				t.Errorf("%s takes %q: %+v", s.Variable, v, settings)
			}
			if s.Flag == "listen" && listenPort(settings.Listen) == 0 && v[0] != '/' {
				t.Errorf("%s takes %q, which has no port", s.Variable, v)
			}
		}
	})
}

package mirror

import (
	"testing"
)

func TestNetrc(t *testing.T) {
	const file = `# comment machine c.example login no password no
machine a.example login user password hunter2
machine http://plain.example
  login user
  password hunter2
machine p.example/deb/ login user account x password hunter2
macdef init
machine m.example login no password no

machine e.example:8443 password token
default login no password no
`
	const user = "Basic dXNlcjpodW50ZXIy"
	for base, want := range map[string]string{
		"https://a.example/x":       user,
		"https://a.example:8443/x":  user,
		"http://a.example/x":        "", // in the clear
		"http://plain.example/x":    user,
		"https://plain.example/x":   "",
		"https://p.example/deb":     user,
		"https://p.example/deb/sub": user,
		"https://p.example/other":   "",
		"https://p.example/debian":  "",
		"https://e.example:8443":    "Basic OnRva2Vu",
		"https://e.example":         "",
		"https://c.example":         "",
		"https://m.example":         "",
		"https://any.example":       "",
		"file:///srv":               "",
	} {
		if got := netrcAuthorization(base, parseNetrc([]byte(file))); got != want {
			t.Errorf("%s: %q, want %q", base, got, want)
		}
	}
}

// TestClientsCredentials: what apt and Go know of their hosts is used.
func TestClientsCredentials(t *testing.T) {
	const entry = "machine a.example login user password hunter2\n"
	f := newFake(t, map[string]string{
		"etc/apt/sources.list":         "deb https://a.example/debian trixie main\ndeb https://own:pw@a.example/debian-security trixie-security main",
		"etc/apt/auth.conf.d/x.conf":   entry,
		"etc/apt/auth.conf.d/y.ignore": "machine a.example login no password no",
		"home/user/.netrc":             entry,
	}, []string{"GOPROXY=https://a.example/go,https://b.example"}, nil)
	m := f.mirrors(t, nil)
	for archive, want := range map[string][]string{
		Debian:         {"Basic dXNlcjpodW50ZXIy"},
		DebianSecurity: {basic("own", "pw")},
		Go:             {"Basic dXNlcjpodW50ZXIy", ""},
	} {
		bases, err := m.Bases(t.Context(), archive)
		if err != nil || len(bases) != len(want) {
			t.Fatal(bases, err)
		}
		for i, b := range bases {
			if b.authorization != want[i] {
				t.Errorf("%s: %q, want %q", b, b.authorization, want[i])
			}
		}
	}
}

func FuzzNetrc(f *testing.F) {
	f.Add("machine a.example login u password p\ndefault", "https://a.example")
	f.Add("machine a macdef\nmachine", "https://a")
	f.Fuzz(func(t *testing.T, file, base string) {
		netrcAuthorization(base, parseNetrc([]byte(file)))
	})
}

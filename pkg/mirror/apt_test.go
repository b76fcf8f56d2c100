package mirror

import (
	"testing"
)

const trixieSources = `# Written by the installer.
Types: deb deb-src
URIs: http://mirror.example/debian
# A comment in a stanza.
Suites: trixie trixie-updates
Components: main
 non-free-firmware
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security/
Suites: trixie-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
`

func TestApt(t *testing.T) {
	for _, tt := range []struct {
		name             string
		file, content    string
		debian, security string
	}{
		{"deb822", "sources.list.d/debian.sources", trixieSources, "http://mirror.example/debian", "http://mirror.example/debian-security"},
		{"deb822 with CRLF, other case and two places", "sources.list.d/x.sources",
			"TYPES: deb\r\nuris: http://a.example/debian http://b.example/debian/\r\nsuites: bookworm\r\ncomponents: main\r\n", "http://a.example/debian http://b.example/debian", ""},
		{"deb822, disabled", "sources.list.d/x.sources", "Enabled: no\n" + trixieSources[len("# Written by the installer.\n"):], "", "http://mirror.example/debian-security"},
		{"deb822 with the key in it", "sources.list.d/x.sources",
			"Types: deb\nURIs: http://a.example/debian\nSuites: trixie\nComponents: main\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mDMEX\n -----END PGP PUBLIC KEY BLOCK-----\n", "http://a.example/debian", ""},
		{"list", "sources.list", "deb http://a.example/debian trixie main contrib # ours\ndeb-src http://s.example/debian trixie main\n#deb http://c.example/debian trixie main\n" +
			"deb\thttp://a.example/debian-security\ttrixie-security\tmain\n", "http://a.example/debian", "http://a.example/debian-security"},
		{"list with options", "sources.list.d/x.list", "deb [ arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg ] https://u:p@a.example/pub/debian/ sid main", "https://a.example/pub/debian", ""},
		{"list with a disc", "sources.list", "deb cdrom:[Debian GNU/Linux 13.0.0 _Trixie_]/ trixie main\ndeb [trusted=yes] file:///srv/debian trixie main", "file:///srv/debian", ""},
		{"by the key, at any path", "sources.list", "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://a.example/main trixie main\n" +
			"deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://a.example/sec trixie-security main", "http://a.example/main", "http://a.example/sec"},
		{"a vendor's: another key", "sources.list", "deb [signed-by=/usr/share/keyrings/vendor.gpg] http://vendor.example/debian trixie main", "", ""},
		{"a vendor's: another component", "sources.list", "deb http://vendor.example/linux/debian trixie stable", "", ""},
		{"a vendor's: another suite", "sources.list", "deb http://vendor.example/debian nodistro main", "", ""},
		{"another distribution", "sources.list", "deb http://a.example/ubuntu noble main\ndeb http://a.example/ubuntu noble-security main", "", ""},
		{"source only", "sources.list", "deb-src http://a.example/debian trixie main", "", ""},
		{"one moment", "sources.list", "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://a.example/archive/debian/20260101T000000Z trixie main", "", ""},
		{"broken lines", "sources.list", "deb\ndeb [\ndeb [arch=amd64 http://a.example/debian trixie main\ndeb http://a.example/debian\n", "", ""},
		{"a scheme of apt's own", "sources.list", "deb mirror+file:/etc/apt/mirrors/debian.list trixie main\ndeb tor+http://x.example/debian trixie main", "", ""},
		{"a file apt does not read", "sources.list.d/debian.sources.disabled", trixieSources, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t, map[string]string{"etc/apt/" + tt.file: tt.content}, nil, nil)
			for archive, want := range map[string]string{Debian: tt.debian, DebianSecurity: tt.security} {
				if want == "" {
					want = public(archive).URL
				}
				if got, _ := f.bases(t, f.mirrors(t, nil), archive); got != want {
					t.Errorf("%s at %s, want %s", archive, got, want)
				}
			}
		})
	}
}

// FuzzApt: whatever is in a file of apt's, reading it ends and gives URLs.
func FuzzApt(f *testing.F) {
	f.Add(trixieSources)
	f.Add("deb [ signed-by=/a ] cdrom:[a b]/ trixie main\ndeb \"http://a b/debian\" sid main # x")
	f.Add("deb [a]]\n:\n :\nTypes:\n")
	f.Fuzz(func(t *testing.T, s string) {
		for _, sources := range [][]aptSource{parseSourcesList([]byte(s)), parseDeb822Sources([]byte(s))} {
			for _, src := range sources {
				if len(src.types) == 0 || len(src.suites) == 0 {
					t.Errorf("an entry without type or suite: %+v", src)
				}
				for _, uri := range src.uris {
					src.archive(uri)
					if b, err := parseBase(Debian, uri, "x"); err == nil && b.URL == "" {
						t.Errorf("%q gives no URL", uri)
					}
				}
			}
		}
	})
}

package sbom

import (
	"slices"
	"strings"
	"testing"

	"github.com/github/go-spdx/v2/spdxexp"
	"github.com/google/go-cmp/cmp"
)

func TestParseStatus(t *testing.T) {
	got, err := parseStatus([]byte(`Package: libc6
Status: install ok installed
Maintainer: GNU Libc Maintainers <debian-glibc@lists.debian.org>
Architecture: amd64
Multi-Arch: same
Source: glibc (2.41-12)
Version: 2.41-12+b1
Description: GNU C Library
 Shared libraries.
 .
 More.
Homepage: https://www.gnu.org/software/libc/libc.html

Package: held
Status: hold ok installed
Version: 1
Architecture: all

Package: gone
Status: deinstall ok config-files
Version: 1

Package: never
Status: install ok not-installed


`))
	if err != nil {
		t.Fatal(err)
	}
	want := []installed{
		{name: "libc6", version: "2.41-12+b1", arch: "amd64", source: "glibc", sourceVersion: "2.41-12", homepage: "https://www.gnu.org/software/libc/libc.html",
			maintainer: "GNU Libc Maintainers <debian-glibc@lists.debian.org>"},
		{name: "held", version: "1", arch: "all"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(installed{})); diff != "" {
		t.Error(diff)
	}
	if p := got[0].purl(distro{id: "debian", version: "13"}); p != "pkg:deb/debian/libc6@2.41-12%2Bb1?arch=amd64&distro=debian-13&upstream=glibc%402.41-12" {
		t.Error(p)
	}
}

func TestParseDistro(t *testing.T) {
	got := parseDistro([]byte("NAME=\"Debian GNU/Linux\"\n# ID=no\nID=debian\nVERSION_ID=\"13\"\njunk\n"))
	if (got != distro{id: "debian", version: "13", name: "Debian GNU/Linux"}) || got.tag() != "debian-13" || got.supplier() != "Organization: Debian" {
		t.Errorf("got %+v", got)
	}
	if got := parseDistro([]byte("ID='ubuntu'\nNAME=Ubuntu\n")); got.tag() != "ubuntu" || got.supplier() != "Organization: Ubuntu" {
		t.Errorf("got %+v", got)
	}
	if got := (distro{}); got.tag() != "debian" {
		t.Errorf("got %s", got.tag())
	}
}

func TestPerson(t *testing.T) {
	for in, want := range map[string]string{
		"Jo Doe <jo@example.com>":   "Person: Jo Doe (jo@example.com)",
		"Jo Doe":                    "Person: Jo Doe",
		"Jo\n Doe <jo@example.com>": "Person: Jo Doe (jo@example.com)",
		"":                          NoAssertion,
		"<jo@example.com>":          NoAssertion,
	} {
		if got := person(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestShortNames(t *testing.T) {
	for in, want := range map[string]string{
		"GPL-2+":                                 "GPL-2.0-or-later",
		"GPL-2":                                  "GPL-2.0-only",
		"gpl-3.0+":                               "GPL-3.0-or-later",
		"LGPL-2.1":                               "LGPL-2.1-only",
		"LGPL-2":                                 "LGPL-2.0-only",
		"GFDL-1.3+":                              "GFDL-1.3-or-later",
		"GFDL-NIV-1.3":                           "GFDL-1.3-no-invariants-only",
		"Expat":                                  "MIT",
		"BSD-3-clause":                           "BSD-3-Clause",
		"apache-2.0":                             "Apache-2.0",
		"Artistic":                               "Artistic-1.0-Perl",
		"public-domain":                          "<public-domain>",
		"GPL":                                    "<GPL>",
		"GPL-9":                                  "<GPL-9>",
		"GPL-3+ with Bison exception":            "GPL-3.0-or-later WITH Bison-exception-2.2",
		"GPL-2+ with OpenSSL exception":          "<GPL-2+ with OpenSSL exception>",
		"GPL-2+ or Expat":                        "GPL-2.0-or-later OR MIT",
		"GPL-2+ and Expat":                       "GPL-2.0-or-later AND MIT",
		"GPL-2+ or Artistic, and BSD-2-clause":   "(Artistic-1.0-Perl OR GPL-2.0-or-later) AND BSD-2-Clause",
		"GPL-2+ or Artistic and BSD-2-clause":    "(Artistic-1.0-Perl AND BSD-2-Clause) OR GPL-2.0-or-later",
		"GPL-2+, or Artistic and ISC":            "(Artistic-1.0-Perl AND ISC) OR GPL-2.0-or-later",
		"Perl":                                   "GPL-1.0-or-later OR Artistic-1.0-Perl",
		"Perl and ISC":                           "(GPL-1.0-or-later OR Artistic-1.0-Perl) AND ISC",
		"ISC or ISC":                             "ISC",
		"and":                                    "<and>",
		",":                                      "<>",
		"or or or":                               "<or or or>",
		"Different licenses for different files": "<Different licenses for different files>",
	} {
		got := shortNames(in, func(name string) string {
			if id, ok := spdxOf(name); ok {
				return id
			}
			return "<" + name + ">"
		})
		if got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestAll(t *testing.T) {
	got := all([]string{"MIT", "ISC AND GPL-2.0-only", "A OR B", "ISC", "(A OR B) AND C"})
	if want := "(A OR B) AND C AND GPL-2.0-only AND ISC AND MIT"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := all([]string{"A OR B", "A OR B"}); got != "A OR B" {
		t.Errorf("got %q", got)
	}
}

func testBuilder() *builder { return &builder{texts: map[string]Text{}} }

func TestCopyright(t *testing.T) {
	b := testBuilder()
	got := b.copyright("demo", []byte(`Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: demo
License: everything below

Files: *
Copyright: me
License: GPL-2+ or Expat

Files: lib/*
License: odd
Copyright: them

Files: debian/*
License: GPL-2+ or Expat

License: odd
 Do as you like.
 .
 But well.

License: GPL-2+
 Long text.
`))
	if !strings.HasPrefix(got, "(GPL-2.0-or-later OR MIT) AND LicenseRef-odd-") {
		t.Errorf("got %q", got)
	}
	if len(b.texts) != 1 {
		t.Fatalf("texts are %v", b.texts)
	}
	for id, text := range b.texts {
		if !strings.HasSuffix(got, id) || text.Name != "odd" || text.Text != "Do as you like.\n\nBut well." {
			t.Errorf("%+v", text)
		}
	}

	b = testBuilder()
	free := "This package was debianized by somebody.\nIt is under the GPL.\n"
	got = b.copyright("demo", []byte(free))
	if t1 := b.texts[got]; !strings.HasPrefix(got, "LicenseRef-demo-copyright-") || t1.Text != free {
		t.Errorf("got %q, %+v", got, t1)
	}
	if got := b.copyright("demo", nil); got != NoAssertion {
		t.Errorf("got %q", got)
	}
	if got := b.copyright("demo", []byte("Format: http://dep.debian.net/deps/dep5\nLicense: ISC\n")); got != "ISC" {
		t.Errorf("a header alone gives %q", got)
	}
}

func TestDeclared(t *testing.T) {
	for name, c := range map[string]struct{ says, text, want string }{
		"expression":              {"(MIT OR Apache-2.0)", "", "(MIT OR Apache-2.0)"},
		"case":                    {"mit OR apache-2.0 WITH llvm-exception", "", "MIT OR Apache-2.0 WITH LLVM-exception"},
		"words, but a text":       {"SEE LICENSE IN LICENSE", mit, "MIT"},
		"no expression, a text":   {"Apache 2.0", bsd, "BSD-3-Clause"},
		"only words":              {"Apache 2.0", "", "LicenseRef-Apache-2.0-cf989ea1"},
		"another's reference":     {"LicenseRef-x", "", "LicenseRef-LicenseRef-x-67193955"},
		"a text that is no known": {"", "Do as you like.", "LicenseRef-demo-"},
		"nothing":                 {"", "", NoAssertion},
	} {
		if got := testBuilder().declared("demo", c.says, c.text); !strings.HasPrefix(got, c.want) || c.want == NoAssertion && got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestExpression(t *testing.T) {
	for in, want := range map[string]string{
		"MIT":                     "MIT",
		" mit ":                   "MIT",
		"GPL-2.0+":                "GPL-2.0+",
		"Apache-2.0+":             "Apache-2.0+",
		"(MIT AND (ISC OR 0BSD))": "(MIT AND (ISC OR 0BSD))",
		"GPL-2.0-only WITH Classpath-exception-2.0 OR MIT": "GPL-2.0-only WITH Classpath-exception-2.0 OR MIT",
		"": "", "(": "", ")": "", "()": "", "MIT OR": "", "OR": "", "MIT ISC": "", "(MIT": "", "MIT)": "", "MIT or ISC": "",
		"MIT WITH": "", "MIT WITH ISC": "", "WITH": "", "+": "", "LicenseRef-x": "", "NONE": "", "NOASSERTION": "",
		strings.Repeat("(", 500) + "MIT" + strings.Repeat(")", 500): "",
	} {
		got, ok := expression(in)
		if ok != (want != "") || ok && got != want {
			t.Errorf("%q: got %q, %v, want %q", in, got, ok, want)
		}
	}
}

func TestFromText(t *testing.T) {
	license, found := fromText("Node.js is licensed for use as follows:\n\n" + mit + "\n\nThe vendored library:\n\n" + bsd)
	if license != "MIT" || !slices.Equal(found, []string{"BSD-3-Clause", "MIT"}) {
		t.Errorf("got %s, %v", license, found)
	}
	license, found = fromText(strings.Repeat("All rights reserved. You may do nothing.\n", 30) + "\nThe vendored library:\n\n" + mit)
	if license != NoAssertion || !slices.Equal(found, []string{"MIT"}) {
		t.Errorf("a library's licence is taken for that of the whole: %s, %v", license, found)
	}
}

func TestParseManifest(t *testing.T) {
	for in, want := range map[string]manifest{
		`{"name":"a","version":"1.0.0","license":"MIT","author":"Jo <jo@example.com> (https://example.com)","homepage":"https://example.com"}`: {Name: "a", Version: "1.0.0", License: "MIT", Author: "Jo <jo@example.com> ", Homepage: "https://example.com"},
		`{"name":"@s/a","version":"1.0.0","license":{"type":"ISC","url":"x"},"author":{"name":"Jo","email":"jo@example.com"}}`:                 {Name: "@s/a", Version: "1.0.0", License: "ISC", Author: "Jo <jo@example.com>"},
		`{"name":"a","version":"1","licenses":[{"type":"MIT"},{"type":"Apache-2.0"},"ISC"],"homepage":false}`:                                  {Name: "a", Version: "1", License: "MIT OR Apache-2.0 OR ISC"},
	} {
		if got, ok := parseManifest([]byte(in)); !ok || got != want {
			t.Errorf("%s: got %+v, %v", in, got, ok)
		}
	}
	for _, in := range []string{`{"type":"module"}`, `{"name":"a"}`, `{"version":"1"}`, `{"name":"a b","version":"1"}`, `{"name":"@s","version":"1"}`,
		`{"name":"a/b","version":"1"}`, `{"name":"` + strings.Repeat("a", 215) + `","version":"1"}`, `[]`, `{`, ``, `{"name":1,"version":"1"}`} {
		if got, ok := parseManifest([]byte(in)); ok {
			t.Errorf("%s is of a package: %+v", in, got)
		}
	}
}

func TestParseGem(t *testing.T) {
	got, ok := parseGem([]byte("# stub: abbrev 0.1.2 ruby lib\n\nGem::Specification.new do |s|\n  s.name = \"abbrev\".freeze\n  s.version = \"0.1.2\".freeze\n" +
		"  s.required_rubygems_version = Gem::Requirement.new(\">= 0\".freeze)\n  s.homepage = \"https://example.com\".freeze\n  s.licenses = [\"Ruby\".freeze, \"BSD-2-Clause\".freeze]\nend\n"))
	want := gem{name: "abbrev", version: "0.1.2", homepage: "https://example.com", licenses: []string{"Ruby", "BSD-2-Clause"}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(gem{})); diff != "" || !ok {
		t.Error(diff)
	}
	for _, in := range []string{"", "s.name = 'a'\n", "s.name = 'a'\ns.version = VERSION\n", "s.name = \"#{x}\"\ns.version = '1'\n"} {
		if got, ok := parseGem([]byte(in)); ok {
			t.Errorf("%q is a gem: %+v", in, got)
		}
	}
	doc := imageOf(t, debLayer(status("libruby"), list("libruby", "/lib/specifications/a-1.gemspec"), file("lib/specifications/a-1.gemspec", "s.name = 'a'\ns.version = '1'\ns.licenses = ['MIT']\n"))(t)).document(t)
	if p, owner := doc.find(t, "a"), doc.find(t, "libruby"); p.PURL != "pkg:gem/a@1" || p.License != "MIT" || p.Files != 0 || owner.Files != 1 || len(owner.Contains) != 1 {
		t.Errorf("%+v in %+v", p, owner)
	}
}

func TestPURLs(t *testing.T) {
	for got, want := range map[string]string{
		npmPURL("npm", "12.2.0"):                            "pkg:npm/npm@12.2.0",
		npmPURL("@types/node", "26.6.6"):                    "pkg:npm/%40types/node@26.6.6",
		modulePURL("golang.org/x/sys", "v0.46.0"):           "pkg:golang/golang.org/x/sys@v0.46.0",
		modulePURL("stdlib", "1.27.3"):                      "pkg:golang/stdlib@1.27.3",
		imagePURL("team/base", digestOf("ab"), "amd64"):     "pkg:oci/base@sha256:" + strings.Repeat("ab", 32) + "?arch=amd64",
		installed{name: "a", version: "1:2"}.purl(distro{}): "pkg:deb/debian/a@1:2?distro=debian",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func FuzzStatus(f *testing.F) {
	f.Add([]byte("Package: a\nVersion: 1\nStatus: install ok installed\n\nPackage: b\nVersion: 2\n"))
	f.Add([]byte("Package: a\nPackage: b\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := parseStatus(b)
		for _, p := range got {
			if err != nil || p.name == "" || p.version == "" || strings.Contains(p.name, "/") {
				t.Errorf("%+v, %v", p, err)
			}
		}
	})
}

func FuzzLists(f *testing.F) {
	f.Add([]byte("/.\n/usr\n/usr/bin/a\n"))
	f.Add([]byte("d41d8cd98f00b204e9800998ecf8427e  usr/share/x\n/bin/sh\n/bin/sh.distrib\ndash\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, p := range slices.Concat(parseList(b), parseSums(b)) {
			if !strings.HasPrefix(p, "/") || strings.Contains(p, "\n") {
				t.Errorf("%q", p)
			}
		}
		parseDiversions(b)
		parseDistro(b)
	})
}

// FuzzCopyright: whatever a copyright file says, the licence is an expression
// that others can read, and every reference in it has its text.
func FuzzCopyright(f *testing.F) {
	f.Add([]byte(dep5))
	f.Add([]byte("Format: dep5\n\nFiles: *\nLicense: GPL-2+ or odd (thing), and Perl with font exception\n text\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		checkExpression(t, func(x *builder) string { return x.copyright("demo", b) })
	})
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"name":"@s/a","version":"1.0.0","license":"(MIT OR GPL-2.0+)","author":{"name":"Jo"}}`))
	f.Add([]byte(`{"name":"a","version":"1","licenses":[{"type":"MIT AND"},"x"]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, ok := parseManifest(b)
		if !ok {
			return
		}
		if !strings.HasPrefix(npmPURL(m.Name, m.Version), "pkg:npm/") {
			t.Errorf("%+v", m)
		}
		checkExpression(t, func(x *builder) string { return x.declared(m.Name, m.License, "") })
	})
}

func checkExpression(t *testing.T, make func(*builder) string) {
	t.Helper()
	b := testBuilder()
	got := make(b)
	if got == NoAssertion {
		return
	}
	ids, err := spdxexp.ExtractLicenses(got)
	if err != nil {
		t.Fatalf("%q: %v", got, err)
	}
	for _, id := range ids {
		if _, ok := b.texts[id]; strings.HasPrefix(id, "LicenseRef-") && !ok {
			t.Errorf("%s of %q has no text", id, got)
		}
	}
}

func FuzzGem(f *testing.F) {
	f.Add([]byte("s.name = \"a\".freeze\ns.version = '1'\ns.licenses = [\"MIT\".freeze, 'x']\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if g, ok := parseGem(b); ok && (g.name == "" || strings.ContainsAny(g.name+g.version, "\n /@")) {
			t.Errorf("%+v", g)
		}
	})
}

package debian

import (
	"strings"
	"testing"
	"time"
)

const someHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

const releaseText = `Origin: Debian
Suite: stable
Codename: trixie
Date: Fri, 20 Nov 2026 02:11:10 UTC
Valid-Until: Fri, 27 Nov 2026 02:11:10 UTC
Acquire-By-Hash: yes
No-Support-for-Architecture-all: Packages
Architectures: all amd64 arm64
Components: main contrib
MD5Sum:
 d41d8cd98f00b204e9800998ecf8427e 0 main/evil
SHA256:
 ` + someHash + `   17 main/binary-amd64/Packages
`

func TestParseRelease(t *testing.T) {
	r, err := parseRelease([]byte(releaseText))
	if err != nil {
		t.Fatal(err)
	}
	f := r.files["main/binary-amd64/Packages"]
	if r.codename != "trixie" || !r.byHash || r.allApart || len(r.files) != 1 || f.size != 17 || f.sha256 != someHash {
		t.Errorf("%+v", r)
	}
	if want := time.Date(2026, 11, 20, 2, 11, 10, 0, time.UTC); !r.date.Equal(want) || !r.validUntil.Equal(want.AddDate(0, 0, 7)) {
		t.Errorf("%v %v", r.date, r.validUntil)
	}
	apart, err := parseRelease([]byte(strings.Replace(releaseText, "No-Support-for-Architecture-all: Packages\n", "", 1)))
	if err != nil || !apart.allApart {
		t.Errorf("%+v %v", apart, err)
	}
}

func TestParseReleaseErrors(t *testing.T) {
	for name, tc := range map[string]struct{ old, new, err string }{
		"empty":            {releaseText, "", "empty"},
		"two paragraphs":   {"MD5Sum", "\nMD5Sum", "second paragraph"},
		"no date":          {"Date: Fri, 20 Nov 2026 02:11:10 UTC\n", "", "field Date"},
		"local date":       {"02:11:10 UTC\nValid", "02:11:10 CET\nValid", "not a date in UTC"},
		"bad end":          {"27 Nov", "47 Nov", "field Valid-Until"},
		"hash too short":   {someHash, someHash[2:], "not a hash, a size and a path"},
		"upper-case hash":  {someHash, strings.ToUpper(someHash), "not a hash, a size and a path"},
		"negative size":    {"   17 ", "-17 ", "not a hash, a size and a path"},
		"path leaves":      {"17 main/", "17 ../main/", "not a hash, a size and a path"},
		"absolute path":    {"17 main/", "17 /main/", "not a hash, a size and a path"},
		"path not cleaned": {"17 main/", "17 main/../x/../main/", "not a hash, a size and a path"},
		"no size":          {"   17 ", " ", "not a hash, a size and a path"},
		"field twice":      {"Suite: stable", "Codename: sid", "twice"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(releaseText, tc.old, tc.new, 1)
			if text == releaseText {
				t.Fatal("the test changes nothing")
			}
			if _, err := parseRelease([]byte(text)); err == nil || !strings.Contains(err.Error(), tc.err) {
				t.Errorf("got %v, want …%s…", err, tc.err)
			}
		})
	}
}

func TestReleaseCheck(t *testing.T) {
	r, err := parseRelease([]byte(releaseText))
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		suite, arch string
		now         time.Time
		err         string
	}{
		"good":             {"trixie", "arm64", testTime, ""},
		"another suite":    {"trixie-security", "amd64", testTime, `codename "trixie"`},
		"by suite":         {"stable", "amd64", testTime, `codename "trixie"`},
		"stale":            {"trixie", "amd64", testTime.AddDate(0, 0, 7), "went stale at 2026-11-27"},
		"of the future":    {"trixie", "amd64", testTime.AddDate(0, 0, -1), "in the future"},
		"clocks differ":    {"trixie", "amd64", r.date.Add(-time.Minute), ""},
		"no such arch":     {"trixie", "riscv64", testTime, "no architecture riscv64"},
		"not even all yet": {"trixie", "arm", testTime, "no architecture arm,"},
	} {
		t.Run(name, func(t *testing.T) {
			err := r.check(tc.suite, tc.arch, tc.now)
			if tc.err == "" && err != nil || tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err)) {
				t.Errorf("got %v, want …%s…", err, tc.err)
			}
		})
	}
}

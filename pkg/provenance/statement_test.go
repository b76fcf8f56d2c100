package provenance

import (
	"encoding/json"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func TestParseStatementRefuses(t *testing.T) {
	good, err := Statement([]Subject{{"a", hash(t, "image")}}, SPDX, json.RawMessage(`{"a":1}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParseStatement(good); err != nil {
		t.Fatal(err)
	}
	// What cosign writes.
	old := strings.Replace(string(good), statementV1, statementV01, 1)
	if _, err := ParseStatement([]byte(old)); err != nil {
		t.Error(err)
	}
	replace := func(old, new string) string { return strings.Replace(string(good), old, new, 1) }
	for text, want := range map[string]string{
		"":                                   "no JSON",
		"{}":                                 "not an in-toto statement",
		replace(statementV1, "x"):            `it is a "x"`,
		replace(SPDX, ""):                    "no predicate type",
		replace(`,"predicate":{"a":1}`, ""):  "no predicate",
		replace(hash(t, "image").Hex, "abc"): "about nothing that has a SHA-256",
		replace("sha256", "sha512"):          "about nothing that has a SHA-256",
		replace(`"subject"`, `"Subject":[],"subject"`): "is twice",
		replace(`"a":1`, `"a":1,"a":2`):                "is twice",
		string(good) + " x":                            "something behind",
	} {
		if _, err := ParseStatement([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v; want one with %q", text, err, want)
		}
	}
	if _, err := Statement(nil, SPDX, json.RawMessage("{}")); err == nil {
		t.Error("a statement about nothing")
	}
	if _, err := Statement([]Subject{{"a", hash(t, "image")}}, SPDX, json.RawMessage("{")); err == nil {
		t.Error("a predicate that is no JSON")
	}
}

func TestParsePredicateRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`[]`: "reading the provenance",
		`{"buildDefinition":{"buildType":"https://example.com/other"}}`:                              `"https://example.com/other", not of imgbuild's`,
		`{"buildDefinition":{"buildType":"` + BuildType + `"}}`:                                      "does not say what was built",
		`{"buildDefinition":{"buildType":"` + BuildType + `","externalParameters":{"platforms":7}}}`: "reading the provenance",
	} {
		if _, err := ParsePredicate(json.RawMessage(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v; want one with %q", text, err, want)
		}
	}
}

// What is signed already stays where it says the same.
func TestSame(t *testing.T) {
	image, other := []Subject{{"a", hash(t, "image")}}, []Subject{{"a", hash(t, "other")}}
	made := func(change func(*Request)) json.RawMessage {
		r := mixed(t)
		change(&r)
		p, err := Of(r)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	none := func(*Request) {}
	for name, v := range map[string]struct {
		kind     string
		old, new json.RawMessage
		subjects []Subject
		same     bool
	}{
		"equal":             {SPDX, json.RawMessage(`{"a":1}`), json.RawMessage(`{"a":1}`), image, true},
		"written otherwise": {SPDX, json.RawMessage(`{"a":1,"b":[1.0]}`), json.RawMessage(`{ "b":[1.0],"a":1 }`), image, true},
		"another value":     {SPDX, json.RawMessage(`{"a":1}`), json.RawMessage(`{"a":2}`), image, false},
		"a large number":    {SPDX, json.RawMessage(`{"a":9007199254740993}`), json.RawMessage(`{"a":9007199254740992}`), image, false},
		"of another image":  {SPDX, json.RawMessage(`{"a":1}`), json.RawMessage(`{"a":1}`), other, false},
		"provenance":        {SLSA, made(none), made(none), image, true},
		"another imgbuild":  {SLSA, made(none), made(func(r *Request) { r.Version = "v2" }), image, true},
		"another lock":      {SLSA, made(none), made(func(r *Request) { r.Source = v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("2", 64)} }), image, true},
		"another title":     {SLSA, made(none), made(func(r *Request) { r.Definition.Title = "x" }), image, true},
		"another input":     {SLSA, made(none), made(func(r *Request) { r.Lock.Inputs[0].SHA256 = strings.Repeat("3", 64) }), image, false},
		"another packing":   {SLSA, made(none), made(func(r *Request) { r.Compression = "zstd" }), image, false},
		"of others":         {SLSA, json.RawMessage(`{"buildDefinition":{"buildType":"x"}}`), made(none), image, false},
	} {
		old, err := Statement(image, v.kind, v.old)
		if err != nil {
			t.Fatal(err)
		}
		now, err := Statement(v.subjects, v.kind, v.new)
		if err != nil {
			t.Fatal(err)
		}
		if got := Same(v.kind, old, now); got != v.same {
			t.Errorf("%s: %v", name, got)
		}
		if Same("https://example.com/x", old, now) || Same(v.kind, nil, now) {
			t.Errorf("%s: the same as what it is not", name)
		}
	}
}

func FuzzStatement(f *testing.F) {
	f.Add([]byte(`{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"a","digest":{"sha256":"6105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d"}}],"predicateType":"https://slsa.dev/provenance/v1","predicate":{"buildDefinition":{"buildType":"` + BuildType + `","externalParameters":{"definition":"a","definitionDigest":"sha256:1","version":"1","variant":"full","platforms":["linux/amd64"]},"resolvedDependencies":[{"name":"source","digest":{"sha256":"6105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d"}}]}}}`))
	f.Add([]byte(`{"_type":"https://in-toto.io/Statement/v0.1","subject":null,"predicateType":"x","predicate":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := ParseStatement(data)
		if err != nil {
			return
		}
		if len(s.Subjects) == 0 || s.PredicateType == "" || !json.Valid(s.Predicate) {
			t.Errorf("%+v", s)
		}
		if p, err := ParsePredicate(s.Predicate); err == nil {
			if h, ok := p.Source(); ok && len(h.Hex) != 64 {
				t.Errorf("source %v", h)
			}
		}
		if s.PredicateType == SLSA {
			return // that of other builders is never the same
		}
		if !Same(s.PredicateType, data, data) {
			t.Errorf("it is not the same as itself: %s", data)
		}
	})
}

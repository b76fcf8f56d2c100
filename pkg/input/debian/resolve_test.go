package debian

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// archiveOf makes an archive of one handwritten index, without signatures.
func archiveOf(t testing.TB, text string) *Archive {
	t.Helper()
	a := &Archive{arch: "amd64", suites: []string{"trixie"}, byName: map[string][]*record{}}
	for p, err := range Paragraphs(strings.NewReader(complete(text))) {
		if err != nil {
			t.Fatal(err)
		}
		rec, err := newRecord(p, Selected{Archive: "debian", Suite: "trixie"})
		if err != nil {
			t.Fatal(err)
		}
		a.byName[rec.Name] = append(a.byName[rec.Name], rec)
	}
	if err := a.index(); err != nil {
		t.Fatal(err)
	}
	return a
}

func inOrder(s []Selected) string {
	var n []string
	for _, p := range s {
		n = append(n, p.Name)
	}
	return strings.Join(n, " ")
}

func TestResolve(t *testing.T) {
	for name, tc := range map[string]struct {
		index string
		ask   string // names; + essential, - no dependencies
		want  string // in unpack order
	}{
		"alone":                     {"Package: a", "a", "a"},
		"twice":                     {"Package: a", "a a", "a"},
		"depends":                   {"Package: a\nDepends: b\n\nPackage: b\nDepends: c\n\nPackage: c", "a", "c b a"},
		"pre-depends":               {"Package: a\nPre-Depends: b\n\nPackage: b", "a", "b a"},
		"recommends are not":        {"Package: a\nRecommends: b\n\nPackage: b", "a", "a"},
		"no dependencies":           {"Package: a\nDepends: b\n\nPackage: b", "- a", "a"},
		"no dependencies, in order": {"Package: a\nDepends: b\n\nPackage: b", "- a b", "b a"},
		"first alternative":         {"Package: a\nDepends: b | c\n\nPackage: b\n\nPackage: c", "a", "b a"},
		"second, first missing":     {"Package: a\nDepends: b | c\n\nPackage: c", "a", "c a"},
		"second, first too old":     {"Package: a\nDepends: b (>= 2) | c\n\nPackage: b\n\nPackage: c", "a", "c a"},
		"second, first broken":      {"Package: a\nDepends: b | c\n\nPackage: b\nDepends: none\n\nPackage: c", "a", "c a"},
		"second, first broken deep": {"Package: a\nDepends: b | c\n\nPackage: b\nDepends: d\n\nPackage: d\nDepends: e, none\n\nPackage: e\n\nPackage: c", "a", "c a"},
		"second, first conflicts":   {"Package: a\nDepends: b | c\nConflicts: b\n\nPackage: b\n\nPackage: c", "a", "c a"},
		"alternative asked for":     {"Package: a\nDepends: b | c\n\nPackage: b\n\nPackage: c", "a c", "c a"},
		"alternative chosen before": {"Package: a\nDepends: c, b | c\n\nPackage: b\n\nPackage: c", "a", "c a"},
		// b is taken for a at first; d then needs c, which b does not go with.
		"alternative given up": {"Package: a\nDepends: b | c, d\n\nPackage: b\nConflicts: c\n\nPackage: c\n\nPackage: d\nDepends: c", "a", "c d a"},
		"alternative above given up": {
			"Package: a\nDepends: b | c, d\n\nPackage: b\nDepends: e\n\nPackage: e\nBreaks: d\n\nPackage: c\n\nPackage: d", "a", "c d a"},
		"newest version":    {"Package: a\nVersion: 1:1\nDepends: x\n\nPackage: a\nVersion: 9\n\nPackage: a\nVersion: 1:2~rc1", "a", "a"},
		"<<":                {"Package: a\nDepends: b (<< 2)\n\nPackage: b\nVersion: 1.9", "a", "b a"},
		"<=":                {"Package: a\nDepends: b (<= 2)\n\nPackage: b\nVersion: 2", "a", "b a"},
		"=":                 {"Package: a\nDepends: b (= 2-1)\n\nPackage: b\nVersion: 2-1", "a", "b a"},
		">>":                {"Package: a\nDepends: b (>> 2)\n\nPackage: b\nVersion: 2+b1", "a", "b a"},
		"provides":          {"Package: a\nDepends: v\n\nPackage: b\nProvides: v", "a", "b a"},
		"provides, version": {"Package: a\nDepends: v (>= 2)\n\nPackage: b\nProvides: v\n\nPackage: c\nProvides: v (= 1)\n\nPackage: d\nProvides: v (= 2)", "a", "d a"},
		"real before provider": {
			"Package: a\nDepends: v\n\nPackage: b\nPriority: required\nProvides: v\n\nPackage: v\nPriority: optional", "a", "v a"},
		"provider where the real one is too old": {
			"Package: a\nDepends: v (>= 2)\n\nPackage: b\nProvides: v (= 2)\n\nPackage: v", "a", "b a"},
		"provider by essential": {"Package: a\nDepends: v\n\nPackage: b\nPriority: required\nProvides: v\n\nPackage: c\nEssential: yes\nPriority: optional\nProvides: v", "a", "c a"},
		"provider by priority":  {"Package: a\nDepends: v\n\nPackage: b\nPriority: optional\nProvides: v\n\nPackage: c\nPriority: important\nProvides: v", "a", "c a"},
		"provider by name":      {"Package: a\nDepends: v\n\nPackage: c\nProvides: v\n\nPackage: b\nProvides: v", "a", "b a"},
		"provider asked for":    {"Package: a\nDepends: v\n\nPackage: b\nProvides: v\n\nPackage: c\nProvides: v", "a c", "c a"},
		"virtual asked for":     {"Package: b\nProvides: v", "v", "b"},
		"any":                   {"Package: a\nDepends: b:any\n\nPackage: b\nMulti-Arch: allowed", "a", "b a"},
		"any, provided":         {"Package: a\nDepends: v:any\n\nPackage: b\nMulti-Arch: allowed\nProvides: v", "a", "b a"},
		"native and own":        {"Package: a\nDepends: b:native, c:amd64\n\nPackage: b\n\nPackage: c", "a", "b c a"},
		"another architecture":  {"Package: a\nDepends: b:i386 | c\n\nPackage: b\n\nPackage: c", "a", "c a"},
		"essential": {"Package: a\n\nPackage: e\nEssential: yes\nDepends: l\n\nPackage: d\nEssential: yes\n\nPackage: l\n\nPackage: n\nEssential: no",
			"+ a", "d l e a"},
		"cycle":            {"Package: a\nDepends: b\n\nPackage: b\nDepends: a", "b", "a b"},
		"cycle below":      {"Package: a\nDepends: c\n\nPackage: b\nDepends: c, d\n\nPackage: c\nDepends: b\n\nPackage: d", "a", "d b c a"},
		"cycle by pre-dep": {"Package: a\nPre-Depends: b\n\nPackage: b\nDepends: a", "a", "b a"},
		"itself":           {"Package: a\nProvides: v\nConflicts: v\nDepends: a", "a", "a"},
		"conflict elsewhere": {
			"Package: a\nConflicts: b (<< 2), v (= 1)\nBreaks: c\n\nPackage: b\nVersion: 2\nProvides: v\n\nPackage: c", "a b", "a b"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := archiveOf(t, tc.index).Resolve(request(tc.ask))
			if err != nil || inOrder(got) != tc.want {
				t.Errorf("got %q, %v, want %q", inOrder(got), err, tc.want)
			}
		})
	}
}

func request(ask string) (r Request) {
	for _, name := range strings.Fields(ask) {
		switch name {
		case "+":
			r.Essential = true
		case "-":
			r.NoDependencies = true
		default:
			r.Packages = append(r.Packages, name)
		}
	}
	return r
}

func TestResolveErrors(t *testing.T) {
	for name, tc := range map[string]struct {
		index, ask, want string
	}{
		"missing":           {"Package: a", "nginx", "no package nginx in trixie for amd64"},
		"missing, near":     {"Package: nginx\n\nPackage: ngetty", "ngnix", "no package ngnix in trixie for amd64; did you mean nginx?"},
		"virtual":           {"Package: a\nProvides: v\n\nPackage: b\nProvides: v", "v", "package v is virtual in trixie for amd64: name one of its providers: a, b"},
		"dependency":        {"Package: a\nDepends: b (>= 2)\n\nPackage: b\nVersion: 1.5", "a", "a 1 depends on b (>= 2), but the newest b is 1.5"},
		"missing below":     {"Package: a\nDepends: b\n\nPackage: b\nPre-Depends: c", "a", "b 1 pre-depends on c, but there is no package c in trixie (wanted by: a 1 → b 1)"},
		"no alternative":    {"Package: a\nDepends: b | c (>> 1)\n\nPackage: c", "a", "a 1 depends on b | c (>> 1), but there is no package b in trixie; the newest c is 1"},
		"unversioned":       {"Package: a\nDepends: v (>= 1)\n\nPackage: b\nProvides: v", "a", "v is virtual and none of its providers will do: b"},
		"any":               {"Package: a\nDepends: b:any\n\nPackage: b\nMulti-Arch: foreign", "a", "b 1 is not for that architecture (Multi-Arch: foreign)"},
		"conflict":          {"Package: a\n\nPackage: b\nConflicts: a (<< 2)", "a b", "b 1 conflicts with a (<< 2), which a 1 is"},
		"conflict, reverse": {"Package: a\nConflicts: b\n\nPackage: b", "a b", "a 1 conflicts with b, which b 1 is"},
		"conflict, alone":   {"Package: a\nConflicts: b\n\nPackage: b", "- a b", "a 1 conflicts with b, which b 1 is"},
		"conflict, any":     {"Package: a\nConflicts: b:any\n\nPackage: b", "a b", "a 1 conflicts with b:any, which b 1 is"},
		"breaks":            {"Package: a\nBreaks: v\n\nPackage: b\nProvides: v", "b a", "a 1 breaks v, which b 1 is"},
		"breaks, reverse":   {"Package: a\nBreaks: v (= 2)\n\nPackage: b\nProvides: v (= 2)", "a b", "a 1 breaks v (= 2), which b 1 is"},
		"conflict below": {"Package: a\nDepends: b, c\n\nPackage: b\n\nPackage: c\nConflicts: b", "a",
			"c 1 conflicts with b, which b 1 is; c 1 is wanted by: a 1 → c 1; b 1 is wanted by: a 1 → b 1"},
		"malformed": {"Package: a\nDepends: b c\n", "a", `field Depends of a 1: relation "b c": cannot read "c"`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := archiveOf(t, tc.index).Resolve(request(tc.ask))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %q, %v, want %q", inOrder(got), err, tc.want)
			}
		})
	}
}

func TestResolveErrorTypes(t *testing.T) {
	a := archiveOf(t, "Package: a\nDepends: x\n\nPackage: b\nConflicts: c\n\nPackage: c")
	var m *MissingError
	var d *DependencyError
	var c *ConflictError
	if _, err := a.Resolve(request("z")); !errors.As(err, &m) || m.Package != "z" {
		t.Error(err)
	}
	if _, err := a.Resolve(request("a")); !errors.As(err, &d) || d.Clause != "x" {
		t.Error(err)
	}
	if _, err := a.Resolve(request("b c")); !errors.As(err, &c) || c.Field != "Conflicts" {
		t.Error(err)
	}
}

func TestResolveInstalled(t *testing.T) {
	const index = "Package: a\nDepends: b (>= 2), c | d\n\nPackage: b\nVersion: 2\nProvides: v\nConflicts: x\n\nPackage: c\n\nPackage: d\n\nPackage: x\n\nPackage: w\nProvides: v\n\nPackage: y\nDepends: v"
	a := archiveOf(t, index)
	lower, err := a.Resolve(request("b d"))
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		ask       string
		installed []Selected
		want, err string
	}{
		"they satisfy":        {"a", lower, "a", ""},
		"they provide":        {"y", lower, "y", ""},
		"asked for again":     {"b a", lower, "a", ""},
		"they conflict":       {"x", lower, "", "b 2 conflicts with x"},
		"too old":             {"a", []Selected{{Name: "b", Version: "1"}}, "", "a 1 depends on b (>= 2), but a lower layer has b 1; add the newer one to that layer"},
		"gone from archive":   {"a", []Selected{{Name: "b", Version: "3"}, {Name: "d", Version: "0"}}, "a", ""},
		"not with them alone": {"a", nil, "b c a", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := request(tc.ask)
			r.Installed = tc.installed
			got, err := a.Resolve(r)
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Errorf("got %v, want …%s…", err, tc.err)
				}
				return
			}
			if err != nil || inOrder(got) != tc.want {
				t.Errorf("got %q, %v, want %q", inOrder(got), err, tc.want)
			}
		})
	}
}

// A search without a solution ends.
func TestResolveEnds(t *testing.T) {
	var b strings.Builder
	b.WriteString("Package: start\nDepends: p0\n")
	for i := range 40 {
		n, next := string(rune('a'+i/26))+string(rune('a'+i%26)), string(rune('a'+(i+1)/26))+string(rune('a'+(i+1)%26))
		for _, side := range []string{"l", "r"} {
			b.WriteString("\nPackage: " + side + n + "\nDepends: l" + next + " | r" + next + "\n")
		}
	}
	b.WriteString("\nPackage: p0\nDepends: laa | raa\n")
	if _, err := archiveOf(t, b.String()).Resolve(request("start")); err == nil {
		t.Error("a solution was found where there is none")
	}
}

func TestSource(t *testing.T) {
	a := archiveOf(t, "Package: a\nVersion: 2+b1\nSource: s (2)\nInstalled-Size: 7\n\nPackage: b\nSource: s\n\nPackage: c")
	got, err := a.Resolve(request("a b c"))
	if err != nil {
		t.Fatal(err)
	}
	var src []string
	for _, s := range got {
		src = append(src, s.Name+"="+s.Source+" "+s.SourceVersion)
	}
	if d := cmp.Diff([]string{"a=s 2", "b=s 1", "c=c 1"}, src); d != "" || got[0].InstalledSize != 7 {
		t.Error(d, got[0])
	}
}

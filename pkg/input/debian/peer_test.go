package debian

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/mirror"
)

// apt is the real apt with an empty root, the peer of the resolver.
type apt struct{ config string }

// newAPT makes the root and reads trixie's indexes into it, from this machine's
// mirror and verified with the embedded keys.
func newAPT(t testing.TB, arch string) *apt {
	t.Helper()
	testtool.Need(t, "apt-get", "apt")
	root := t.TempDir()
	for _, d := range []string{"etc/apt/apt.conf.d", "etc/apt/preferences.d", "etc/apt/sources.list.d",
		"var/lib/apt/lists/partial", "var/cache/apt/archives/partial", "var/lib/dpkg"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var keys bytes.Buffer
	files, err := keyFiles.ReadDir("keyring")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := keyFiles.ReadFile("keyring/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		keys.Write(b)
	}
	m, err := mirror.New(mirror.Options{})
	if err != nil {
		t.Fatal(err)
	}
	base := func(archive string) string {
		b, err := m.Bases(t.Context(), archive)
		if err != nil || len(b) == 0 {
			t.Fatalf("no mirror for %s: %v", archive, err)
		}
		return b[0].URL
	}
	ring := filepath.Join(root, "keys.gpg")
	source := func(archive, suite string) string {
		return fmt.Sprintf("deb [signed-by=%s arch=%s] %s %s main\n", ring, arch, base(archive), suite)
	}
	a := &apt{config: filepath.Join(root, "apt.conf")}
	for name, content := range map[string]string{
		ring: keys.String(),
		filepath.Join(root, "var/lib/dpkg/status"):  "",
		filepath.Join(root, "etc/apt/sources.list"): source("debian", "trixie") + source("debian", "trixie-updates") + source("debian-security", "trixie-security"),
		a.config: fmt.Sprintf(`Dir %q; Dir::State::status %q; APT::Architecture %q; APT::Architectures { %q; };
APT::Install-Recommends "false"; APT::Sandbox::User "root"; Acquire::Languages "none"; Debug::NoLocking "true";
APT::Get::Show-Versions "false"; APT::Color "0";
`, root, filepath.Join(root, "var/lib/dpkg/status"), arch, arch),
	} {
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := a.run("update"); err != nil {
		t.Fatalf("apt-get update: %v\n%s", err, out)
	}
	return a
}

func (a *apt) run(args ...string) (string, error) {
	cmd := exec.Command("apt-get", args...)
	cmd.Env = append(os.Environ(), "APT_CONFIG="+a.config, "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// install returns what apt would install, as sorted "name version".
func (a *apt) install(names ...string) ([]string, error) {
	out, err := a.run(append([]string{"install", "-s", "-y"}, names...)...)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	var set []string
	for line := range strings.Lines(out) {
		if f := strings.Fields(line); len(f) > 2 && f[0] == "Inst" {
			name, _, _ := strings.Cut(f[1], ":")
			set = append(set, name+" "+strings.TrimPrefix(f[2], "("))
		}
	}
	slices.Sort(set)
	return set, nil
}

func names(s []Selected) []string {
	var n []string
	for _, p := range s {
		n = append(n, p.Name+" "+p.Version)
	}
	slices.Sort(n)
	return n
}

// difference returns what is only in x, with -, and only in y, with +.
func difference(x, y []string) []string {
	var d []string
	for _, e := range x {
		if !slices.Contains(y, e) {
			d = append(d, "-"+e)
		}
	}
	for _, e := range y {
		if !slices.Contains(x, e) {
			d = append(d, "+"+e)
		}
	}
	return d
}

// TestResolveAsAPT compares the set of packages, each with its version, with
// what the real apt computes from the same mirror.
func TestResolveAsAPT(t *testing.T) {
	testtool.Whole(t)
	for _, tc := range []struct {
		arch     string
		requests [][]string // "+" is every essential package
	}{
		{"amd64", [][]string{
			{"+", "apt", "ca-certificates", "tzdata"},
			{"ruby"}, {"python3", "git", "gcc"}, {"nginx"}, {"default-jre-headless"},
			{"+", "bash", "build-essential", "curl"}, {"postgresql", "php"},
			// Its early choice of an alternative must be given up again.
			{"golang-github-adamkorcz-go-fuzz-headers-1-dev"},
		}},
		{"arm64", [][]string{{"+", "apt", "ca-certificates", "tzdata"}, {"default-jre-headless", "nginx"}}},
	} {
		t.Run(tc.arch, func(t *testing.T) {
			a := realArchive(t, tc.arch)
			peer := newAPT(t, tc.arch)
			for _, ask := range tc.requests {
				req := request(strings.Join(ask, " "))
				got, err := a.Resolve(req)
				if err != nil {
					t.Errorf("%v: %v", ask, err)
					continue
				}
				var wanted []string
				if req.Essential {
					for name := range a.byName {
						if a.candidate(name).Essential {
							wanted = append(wanted, name)
						}
					}
					slices.Sort(wanted)
				}
				want, err := peer.install(append(wanted, req.Packages...)...)
				if err != nil || len(want) == 0 {
					t.Fatalf("%v: apt gave %d packages: %v", ask, len(want), err)
				}
				if d := difference(want, names(got)); len(d) > 0 {
					t.Errorf("%v: apt's %d packages differ (- apt's, + ours): %v", ask, len(want), d)
				}
				checkOrder(t, a, got)
			}
		})
	}
}

// checkOrder fails where a package comes before one that it pre-depends on.
func checkOrder(t *testing.T, a *Archive, s []Selected) {
	t.Helper()
	r := &resolver{a: a, present: map[string]*record{}, provided: map[string][]provider{}, negative: map[string][]negative{}}
	for _, p := range s {
		rec := a.find(p)
		clauses, err := rec.relations("Pre-Depends")
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range clauses {
			if !slices.ContainsFunc(c, r.satisfied) {
				t.Errorf("%s comes before its pre-dependency %s", rec, c)
			}
		}
		if err := r.add(rec); err != nil {
			t.Fatal(err)
		}
	}
}

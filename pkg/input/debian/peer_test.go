package debian

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/mirror"
)

// apt is the real apt with an empty root, the peer of the resolver.
type apt struct{ config string }

// newAPT makes the root and reads trixie's indexes into it, from this machine's
// mirror and verified with the embedded keys.
func newAPT(t testing.TB, arch string) *apt {
	t.Helper()
	if _, err := exec.LookPath("apt-get"); err != nil {
		t.Skip("SKIPPED: comparing with apt needs apt-get on this machine")
	}
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

func TestRandomAgainstAPT(t *testing.T) {
	a := realArchive(t, "amd64")
	peer := newAPT(t, "amd64")
	all := slices.Sorted(maps.Keys(a.byName))
	bad := 0
	n := 0
	for i := 7; i < len(all); i += 137 {
		n++
		want, aerr := peer.install(all[i])
		got, err := a.Resolve(Request{Packages: []string{all[i]}})
		if (err != nil) != (aerr != nil) {
			t.Errorf("%s: %v\nAPT: %v", all[i], err, aerr)
			bad++
			continue
		}
		if d := difference(want, names(got)); len(d) > 0 {
			t.Errorf("%s (%d packages): %v", all[i], len(want), d)
			bad++
		}
	}
	t.Logf("%d of %d differ", bad, n)
}

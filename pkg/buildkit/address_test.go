package buildkit

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseAddress(t *testing.T) {
	tls := t.TempDir()
	for _, name := range []string{"ca.pem", "cert.pem", "key.pem"} {
		if err := os.WriteFile(filepath.Join(tls, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	fromDir := &TLS{CA: filepath.Join(tls, "ca.pem"), Cert: filepath.Join(tls, "cert.pem"), Key: filepath.Join(tls, "key.pem")}
	onlyCA := t.TempDir()
	if err := os.WriteFile(filepath.Join(onlyCA, "ca.pem"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		address, dir string
		want         Address
	}{
		{"unix:///run/buildkit/buildkitd.sock", "", Address{URL: "unix:///run/buildkit/buildkitd.sock"}},
		{"unix:///run/buildkitd.sock", tls, Address{URL: "unix:///run/buildkitd.sock"}},
		{"docker://", "", Address{URL: Docker}},
		{"docker-container://buildkitd", "", Address{URL: "docker-container://buildkitd"}},
		{"docker-container://buildkitd?context=x", "", Address{URL: "docker-container://buildkitd?context=x"}},
		{"podman-container://buildkitd", "", Address{URL: "podman-container://buildkitd"}},
		{"kube-pod://buildkitd-0?namespace=ci", "", Address{URL: "kube-pod://buildkitd-0?namespace=ci"}},
		{"ssh://user@builder.example.com", "", Address{URL: "ssh://user@builder.example.com"}},
		{"tcp://builder.example.com:1234", "", Address{URL: "tcp://builder.example.com:1234"}},
		{"tcp://[2001:db8::1]:1234", "", Address{URL: "tcp://[2001:db8::1]:1234"}},
		{"tcp://builder.example.com:1234", tls, Address{URL: "tcp://builder.example.com:1234", TLS: fromDir}},
		{"tcp://builder.example.com:1234", onlyCA, Address{URL: "tcp://builder.example.com:1234", TLS: &TLS{CA: filepath.Join(onlyCA, "ca.pem")}}},
		{"tcp://b:1?cacert=/a&cert=/b&key=/c&servername=d", tls, Address{URL: "tcp://b:1", TLS: &TLS{CA: "/a", Cert: "/b", Key: "/c", ServerName: "d"}}},
		{"tcp://b:1?servername=d", "", Address{URL: "tcp://b:1", TLS: &TLS{ServerName: "d"}}},
	} {
		got, err := ParseAddress(c.address, c.dir)
		if err != nil {
			t.Errorf("%s: %v", c.address, err)
			continue
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s: %s", c.address, d)
		}
	}
}

func TestParseAddressRefuses(t *testing.T) {
	for address, want := range map[string]string{
		"":                      "is no address of a builder",
		"/run/buildkitd.sock":   "is no address of a builder",
		"builder.example.com":   "is no address of a builder",
		"unix://":               "has no path",
		"unix://relative":       "has no path",
		"http://builder:1":      `has the scheme "http"`,
		"tcp://builder":         "has no port",
		"tcp://:1":              "has no host",
		"tcp://b:1/path":        "has a path",
		"tcp://b:1?ca=/x":       `has the setting "ca"`,
		"tcp://b:1?cert=/x":     "has one of cert and key",
		"tcp://b:1?key=/x":      "has one of cert and key",
		"docker://somewhere":    "names a daemon",
		"docker-container://":   "names no container",
		"podman-container://":   "names no container",
		"kube-pod://":           "names no pod",
		"ssh://":                "names no host",
		"tcp://b:1?cacert=%zz":  "cannot be read",
		"tcp://user:pw@b:1?x=y": `has the setting "x"`,
		"unix:///a\x00b":        "is no address of a builder",
	} {
		a, err := ParseAddress(address, "")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %+v, %v; want %q", address, a, err, want)
		}
		if err != nil && strings.Contains(err.Error(), ":pw@") {
			t.Errorf("the error has the password: %v", err)
		}
	}
	if _, err := ParseAddress("tcp://b:1", t.TempDir()); err == nil || !strings.Contains(err.Error(), "needs ca.pem") {
		t.Errorf("got %v", err)
	}
}

func TestAddresses(t *testing.T) {
	urls := func(given ...string) string {
		t.Helper()
		as, err := Addresses(given, "")
		if err != nil {
			return err.Error()
		}
		var out []string
		for _, a := range as {
			out = append(out, a.String())
		}
		return strings.Join(out, " ")
	}
	t.Setenv("BUILDKIT_HOST", "tcp://from.example.com:1")
	if got := urls(); got != "tcp://from.example.com:1" {
		t.Errorf("got %s", got)
	}
	if got := urls("tcp://a:1", "tcp://b:1"); got != "tcp://a:1 tcp://b:1" {
		t.Errorf("got %s", got)
	}
	if got := urls("tcp://a:1", "tcp://a:1?cacert=/x"); got != "the builder tcp://a:1 is given twice" {
		t.Errorf("got %s", got)
	}
	t.Setenv("BUILDKIT_HOST", "nonsense")
	if got := urls(); !strings.Contains(got, "is no address") || !strings.Contains(got, "BUILDKIT_HOST") {
		t.Errorf("got %s", got)
	}
	t.Setenv("BUILDKIT_HOST", "")
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	if got := urls(); got != Docker && !strings.HasPrefix(got, "unix://") {
		t.Errorf("got %s", got)
	}
}

func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{"unix:///run/x", "tcp://b:1?cacert=/a&cert=/b&key=/c&servername=d", "docker://", "docker-container://x", "kube-pod://p?namespace=n", "ssh://u@h", "tcp://[::1]:2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseAddress(s, "")
		if err != nil {
			if err.Error() == "" {
				t.Error("an empty error")
			}
			return
		}
		scheme, _, ok := strings.Cut(a.URL, "://")
		if !ok || !slices.Contains(schemes, scheme) {
			t.Errorf("%q was taken as %+v", s, a)
		}
		if again, err := ParseAddress(a.URL, ""); err != nil || again.URL != a.URL {
			t.Errorf("%q was taken as %q, which is read as %+v, %v", s, a.URL, again, err)
		}
	})
}

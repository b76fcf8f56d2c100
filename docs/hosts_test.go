package docs_test

import (
	"bytes"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// fallbacks are the public mirrors that imgbuild itself names (pkg/mirror).
var fallbacks = []string{"mirrors.aliyun.com", "registry.npmmirror.com"}

// A machine's own registries are no one else's business, and a host in the tree
// is one that the next machine can not reach: none of this machine's may be in
// any file. Failures name the file, not the host.
func TestNoHostOfThisMachine(t *testing.T) {
	hosts := machineHosts(t)
	if len(hosts) == 0 {
		t.Log("this machine uses imgbuild's own fallbacks only")
	}
	files := 0
	walk(t, func(path string) {
		// imgbuild.yaml in the root is a developer's own.
		if path == "imgbuild.yaml" || filepath.Base(path) == "go.sum" {
			return
		}
		data, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			t.Error(err)
		}
		files++
		data = bytes.ToLower(data)
		for _, host := range hosts {
			if i := bytes.Index(data, []byte(host)); i >= 0 {
				t.Errorf("%s:%d names a registry of this machine", path, bytes.Count(data[:i], []byte("\n"))+1)
			}
		}
	})
	if files < 300 {
		t.Errorf("%d files were read; the tree has more", files)
	}
}

var hostRE = regexp.MustCompile(`https?://[^\s"',|\]\)<>]+`)

// machineHosts are the hosts, in lower case, that this machine's clients are
// configured with.
func machineHosts(t *testing.T) []string {
	t.Helper()
	var text strings.Builder
	for _, client := range [][]string{
		{"go", "env", "GOPROXY", "GOSUMDB"},
		{"npm", "config", "get", "registry"},
	} {
		if path, err := exec.LookPath(client[0]); err == nil {
			out, err := exec.Command(path, client[1:]...).Output()
			if err != nil {
				t.Fatalf("%s: %v", strings.Join(client, " "), err)
			}
			text.Write(out)
		}
	}
	// GOSUMDB is NAME[+KEY] [URL], and a name is a host.
	if out, err := exec.Command("go", "env", "GOSUMDB").Output(); err == nil {
		name, _, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
		name, _, _ = strings.Cut(name, "+")
		if strings.Contains(name, ".") {
			text.WriteString("\nhttps://" + name + "\n")
		}
	}
	files := []string{"/etc/apt/sources.list", "/etc/npmrc", "/usr/local/etc/npmrc"}
	for _, pattern := range []string{"/etc/apt/sources.list.d/*", "/etc/apt/apt.conf.d/*"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	if home, err := os.UserHomeDir(); err == nil {
		files = append(files, filepath.Join(home, ".npmrc"))
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err == nil {
			text.WriteByte('\n')
			for line := range bytes.Lines(data) {
				if !bytes.HasPrefix(bytes.TrimSpace(line), []byte("#")) && !bytes.HasPrefix(bytes.TrimSpace(line), []byte("//")) {
					text.Write(line)
				}
			}
		}
	}
	var hosts []string
	for _, raw := range hostRE.FindAllString(text.String(), -1) {
		u, err := url.Parse(raw)
		if err != nil || u.Hostname() == "" {
			continue
		}
		host := strings.ToLower(u.Hostname())
		if slices.Contains(fallbacks, host) || host == "localhost" {
			continue
		}
		if a, err := netip.ParseAddr(host); err == nil && a.IsLoopback() {
			continue
		}
		if !strings.Contains(host, ".") {
			host = "//" + host // a short name alone may be any word
		}
		hosts = append(hosts, host)
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

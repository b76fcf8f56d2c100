package mirror

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
)

// goproxy finds the Go module proxy as the go command does: the environment,
// then the file that go env -w writes, then what the installed Go begins with
// (https://go.dev/ref/mod#environment-variables).
func (m *machine) goproxy(ctx context.Context) ([]Base, error) {
	if v := m.getenv("GOPROXY"); v != "" {
		return m.goBases(v, "GOPROXY")
	}
	path := m.goenvFile()
	if v := goenvValue(path, "GOPROXY"); v != "" {
		return m.goBases(v, "Go's configuration ("+path+")")
	}
	v, err := m.ask(ctx, "go", "env", "GOPROXY")
	if err != nil {
		return nil, nil // no Go, or one that does not run: not a place to learn from
	}
	return m.goBases(v, "go env GOPROXY")
}

func (m *machine) goBases(list, from string) ([]Base, error) {
	bases, err := clientBases(Go, list, from)
	return withNetrc(bases, m.netrc()), err
}

// goenvFile is GOENV, else go/env in the user's configuration folder.
func (m *machine) goenvFile() string {
	switch v := m.getenv("GOENV"); {
	case v == "off":
		return ""
	case v != "":
		return v
	}
	if c := m.getenv("XDG_CONFIG_HOME"); filepath.IsAbs(c) {
		return filepath.Join(c, "go", "env")
	}
	return filepath.Join(m.home, ".config", "go", "env")
}

// goenvValue reads NAME=value lines; a missing file has none.
func goenvValue(path, name string) string {
	if path == "" {
		return ""
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	value := ""
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		if k, v, ok := strings.Cut(strings.TrimSpace(s.Text()), "="); ok && k == name {
			value = v
		}
	}
	return value
}

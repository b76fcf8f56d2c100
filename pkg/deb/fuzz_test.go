package deb_test

import (
	"bytes"
	"path"
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/deb"
	. "github.com/imgbuild/imgbuild/pkg/deb/debtest"
)

// FuzzReader feeds whole packages: nothing may panic, hang or leave the root.
func FuzzReader(f *testing.F) {
	for _, suffix := range []string{"", ".gz", ".xz", ".zst"} {
		f.Add(sample(suffix).Bytes(f))
	}
	f.Add([]byte("!<arch>\n"))
	f.Add(Ar(Mem("debian-binary", []byte("2.0\n"))))
	f.Fuzz(func(t *testing.T, b []byte) {
		lines, err := list(bytes.NewReader(b), deb.Limits{Control: 1 << 16, Data: 1 << 20})
		for _, l := range lines {
			name, _, _ := strings.Cut(l, " ")
			if path.IsAbs(name) || name != path.Clean(name) || strings.HasPrefix(name, "../") || name == ".." {
				t.Errorf("entry %q got through (%v)", l, err)
			}
		}
	})
}

func FuzzStanza(f *testing.F) {
	f.Add([]byte("Package: a\nVersion: 1\nDescription: x\n y\n .\n z\n"))
	f.Add([]byte("a:\n b\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := deb.ParseStanza(b)
		if err != nil {
			return
		}
		if len(s) == 0 {
			t.Error("no fields and no error")
		}
		for _, f := range s {
			if f.Name == "" || strings.ContainsAny(f.Name, " \t\n:") {
				t.Errorf("field name %q", f.Name)
			}
		}
	})
}

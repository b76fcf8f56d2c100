package effect

import (
	"strings"
	"testing"
	"time"
)

const (
	testPasswd = "root:*:0:0:root:/root:/bin/bash\n_apt:*:42:65534::/nonexistent:/usr/sbin/nologin\n"
	testGroup  = "root:*:0:\nshadow:*:42:\nmail:*:8:\nutmp:*:43:\nstaff:*:50:root,_apt\n"
)

func accountTree() *memTree {
	return newMemTree("amd64").file(passwdMaster, testPasswd).file(groupMaster, testGroup)
}

func TestPasswd(t *testing.T) {
	m := accountTree()
	if err := (passwd{}).Apply(m); err != nil {
		t.Fatal(err)
	}
	for p, want := range map[string]struct {
		text string
		mode int64
		gid  int
	}{
		"etc/passwd":  {"root:x:0:0:root:/root:/bin/bash\n_apt:x:42:65534::/nonexistent:/usr/sbin/nologin\n", 0o644, 0},
		"etc/group":   {"root:x:0:\nshadow:x:42:\nmail:x:8:\nutmp:x:43:\nstaff:x:50:root,_apt\n", 0o644, 0},
		"etc/shadow":  {"root:*:20513:0:99999:7:::\n_apt:*:20513:0:99999:7:::\n", 0o640, 42}, // 2026-03-01
		"etc/gshadow": {"root:*::\nshadow:*::\nmail:*::\nutmp:*::\nstaff:*::root,_apt\n", 0o640, 42},
		"etc/subuid":  {"", 0o644, 0},
	} {
		hdr := m.entries[p]
		if got := m.text(p); got != want.text || hdr == nil || hdr.Mode != want.mode || hdr.Gid != want.gid {
			t.Errorf("%s: got %q, %+v; want %+v", p, got, hdr, want)
		}
	}
}

func TestPasswdWithoutTimeHasNoAgeing(t *testing.T) {
	m := accountTree()
	m.time = time.Unix(0, 0)
	if err := (passwd{}).Apply(m); err != nil {
		t.Fatal(err)
	}
	if got := m.text("etc/shadow"); !strings.HasPrefix(got, "root:*::0:99999:7:::\n") {
		t.Errorf("got %q: a last change of 0 would ask for a new password", got)
	}
}

func TestPasswdRefusesBadMasters(t *testing.T) {
	for _, text := range []string{
		"", "root:*:0:0:root:/root\n", "root:*:x:0:root:/root:/bin/sh\n", "root:*:-1:0:root:/root:/bin/sh\n",
		testPasswd + testPasswd, ":*:0:0:root:/root:/bin/sh\n", testPasswd + "\n" + testPasswd,
	} {
		m := newMemTree("amd64").file(passwdMaster, text).file(groupMaster, testGroup)
		if err := (passwd{}).Apply(m); err == nil || len(m.put) > 0 {
			t.Errorf("%q was accepted (%v)", text, err)
		}
	}
	m := newMemTree("amd64").file(passwdMaster, testPasswd).file(groupMaster, "root:*:0:\n")
	if err := (passwd{}).Apply(m); err == nil || !strings.Contains(err.Error(), `no entry "shadow"`) {
		t.Errorf("got %v, want an error that there is no group shadow", err)
	}
}

func FuzzParseDatabase(f *testing.F) {
	f.Add([]byte(testPasswd), 7)
	f.Add([]byte(testGroup), 4)
	f.Add([]byte("a:b:1:\n\n"), 4)
	f.Fuzz(func(t *testing.T, text []byte, fields int) {
		d, err := parseDatabase(text, 4+fields&3)
		if err != nil {
			return
		}
		again, err := parseDatabase(d.shadowed(), 4+fields&3)
		if err != nil || len(again) != len(d) {
			t.Errorf("the shadowed file of %q cannot be read: %v", text, err)
		}
		for _, e := range d {
			if strings.ContainsAny(strings.Join(e, ""), ":\n") {
				t.Errorf("an entry holds a separator: %q", e)
			}
		}
	})
}

package program

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

func TestExplain(t *testing.T) {
	nosuch := script(t, "#!/bin/sh", "no-such-command-here")
	for name, test := range map[string]struct {
		argv   []string
		missed bool
		want   string // "" for nothing to say
	}{
		"fails":         {[]string{"sh", "-c", "exit 3"}, false, ""},
		"ends":          {[]string{"sh", "-c", ":"}, false, ""},
		"told to stop":  {[]string{"sh", "-c", "kill -15 $$"}, false, ""},
		"at once":       {[]string{"sh", "-c", ":"}, true, "ended with exit code 0 after "},
		"never":         {[]string{"sh", "-c", "exit 3"}, true, "ended with exit code 3 before it listened on a port"},
		"crash":         {[]string{"sh", "-c", "ulimit -c 0; kill -11 $$"}, false, "crashed: it used memory that is not its own"},
		"instruction":   {[]string{"sh", "-c", "ulimit -c 0; kill -4 $$"}, false, "crashed: its machine code is not for this processor"},
		"seccomp":       {[]string{"sh", "-c", "ulimit -c 0; kill -31 $$"}, false, "used a system call that this container forbids"},
		"killed":        {[]string{"sh", "-c", "kill -9 $$"}, false, "was killed (SIGKILL), but not by the shim: probably the container ran out of memory"},
		"command":       {[]string{"sh", "-c", "exec no-such-command"}, false, "called a command that is not in this image"},
		"command in sh": {[]string{nosuch}, true, "called a command that is not in this image"},
		"own 127":       {[]string{"sleep", "x"}, false, ""},
	} {
		p, _ := run(t, test.argv...)
		got := p.Explain(test.missed)
		if test.want == "" && got != "" || !strings.Contains(got, test.want) || strings.Contains(got, "\n") {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
		f := p.Failure()
		if f.Type != message.ProgramExited || f.Status != 502 || !strings.Contains(f.Message, p.Ending()) || !strings.Contains(f.Message, test.want) && !test.missed {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

// TestMissingLibrary runs real programs that lack one.
func TestMissingLibrary(t *testing.T) {
	testtool.Need(t, "cc", "gcc")
	dir := t.TempDir()
	write(t, dir+"/one.c", "int one(void) { return 1; }\n", 0o644)
	write(t, dir+"/two.c", "int one(void); int two(void) { return one(); }\n", 0o644)
	write(t, dir+"/main.c", "int two(void); int main(void) { return two() - 1; }\n", 0o644)
	compile(t, "-shared", "-fPIC", "-o", dir+"/libone.so.7", "-Wl,-soname,libone.so.7", dir+"/one.c")
	compile(t, "-shared", "-fPIC", "-o", dir+"/libtwo.so", dir+"/two.c", dir+"/libone.so.7")
	compile(t, "-o", dir+"/main", dir+"/main.c", "-L"+dir, "-ltwo", "-Wl,-rpath,$ORIGIN", "-Wl,--disable-new-dtags", "-Wl,--allow-shlib-undefined")

	if p, out := run(t, dir+"/main"); p.Code() != 0 {
		t.Fatalf("with all libraries: %s: %s", p.Ending(), out)
	}
	if m, lacks := findMissing(dir+"/main", nil); lacks {
		t.Errorf("with all libraries: %+v", m)
	}
	explains := func(path, want string) {
		t.Helper()
		p, out := run(t, path)
		if got := p.Explain(true); p.Code() != 127 || !strings.HasPrefix(got, path+" "+want) {
			t.Errorf("exit code %d (%s): %q, want %q", p.Code(), out, got, want)
		}
	}
	if err := os.Remove(dir + "/libone.so.7"); err != nil {
		t.Fatal(err)
	}
	explains(dir+"/main", "needs "+dir+"/libtwo.so, and that needs the shared library libone.so.7, which is not in this image; in the full image install it (apt-get install libone7)")
	if err := os.Remove(dir + "/libtwo.so"); err != nil {
		t.Fatal(err)
	}
	explains(dir+"/main", "needs the shared library libtwo.so, which is not in this image; copy it into the image")
	explains(script(t, "#!"+dir+"/main"), "needs "+dir+"/main, and that needs the shared library libtwo.so")
}

// TestMissingVersion runs a program with an older library than it was built
// with.
func TestMissingVersion(t *testing.T) {
	testtool.Need(t, "cc", "gcc")
	dir := t.TempDir()
	write(t, dir+"/f.c", "int f(void) { return 0; }\n", 0o644)
	write(t, dir+"/main.c", "int f(void); int main(void) { return f(); }\n", 0o644)
	for _, version := range []string{"F_2.1", "F_1.0"} {
		write(t, dir+"/map", version+" { global: f; };\n", 0o644)
		compile(t, "-shared", "-fPIC", "-o", dir+"/libf.so.1", "-Wl,-soname,libf.so.1", "-Wl,--version-script,"+dir+"/map", dir+"/f.c")
		if version == "F_2.1" {
			compile(t, "-o", dir+"/main", dir+"/main.c", dir+"/libf.so.1", "-Wl,-rpath,$ORIGIN")
			if p, out := run(t, dir+"/main"); p.Code() != 0 {
				t.Fatalf("with the right one: %s: %s", p.Ending(), out)
			}
		}
	}
	p, out := run(t, dir+"/main")
	want := dir + "/main needs F_2.1 of the shared library libf.so.1, and this image has another version: build it in the full image"
	if got := p.Explain(true); p.Code() != 1 || !strings.HasPrefix(got, want) {
		t.Errorf("exit code %d (%s): %q, want %q", p.Code(), out, got, want)
	}
}

func compile(t *testing.T, args ...string) {
	t.Helper()
	if p, out := run(t, append([]string{"cc"}, args...)...); p.Code() != 0 {
		t.Fatalf("cc %v: %s", args, out)
	}
}

func TestDebianPackage(t *testing.T) {
	for library, want := range map[string]string{
		"libstdc++.so.6": "libstdc++6", "libssl.so.3": "libssl3", "libgcc_s.so.1": "libgcc-s1", "libz.so.1": "zlib1g",
		"libX11.so.6": "libx11-6", "libc.so.6": "libc6", "libfoo.so": "", "": "", ".so.": "",
	} {
		if got := debianPackage(library); got != want {
			t.Errorf("%s is in %q, want %q", library, got, want)
		}
	}
}

// TestOOMKills reads what Linux writes with both versions of cgroups.
func TestOOMKills(t *testing.T) {
	root := t.TempDir()
	own := parseCgroups([]byte("5:cpu,cpuacct:/a\n4:memory:/one\n0::/two\n"))
	if n := oomKills(root, own); n != 0 || own != (cgroups{"/two", "/one"}) {
		t.Errorf("%d without cgroups; %+v", n, own)
	}
	for i, file := range []string{"memory/memory.oom_control", "memory/one/memory.oom_control", "memory.events", "two/memory.events"} {
		path := filepath.Join(root, file) // each later one is nearer
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, path, fmt.Sprintf("oom_kill_disable 0\nunder_oom 0\noom 9\noom_kill %d\noom_group_kill 0\n", i+1), 0o644)
		if n := oomKills(root, own); n != i+1 {
			t.Errorf("%s: %d, want %d", file, n, i+1)
		}
	}
}

package program

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// cannotStart resolves and starts a program that must not start.
func cannotStart(t *testing.T, argv ...string) *StartError {
	t.Helper()
	c, err := Resolve(argv, os.Environ())
	if err == nil {
		_, _, err = start(t, c)
	}
	e, ok := errors.AsType[*StartError](err)
	if !ok {
		t.Fatalf("%v started, or failed with %v", argv, err)
	}
	if f := e.Failure(); f.Type != message.ProgramNotStarted || !strings.Contains(f.Message, e.Problem) || f.Status != 502 {
		t.Errorf("%+v", f)
	}
	return e
}

// TestCannotStart: Linux's few error numbers become what is wrong.
func TestCannotStart(t *testing.T) {
	dir := t.TempDir()
	foreign, other := foreignProgram(t)
	for name, test := range map[string]struct {
		content string
		mode    os.FileMode
		code    int
		says    string
	}{
		"mode":        {"#!/bin/sh\n", 0o644, 126, "is not executable; run `chmod +x`"},
		"shebang":     {"echo hello\n", 0o755, 126, "has no shebang line"},
		"empty":       {"", 0o755, 126, "is empty"},
		"nobody":      {"#!\n", 0o755, 126, "has a first line that names no interpreter"},
		"interpreter": {"#!/no/such/bash -e\n", 0o755, 127, "needs /no/such/bash, which this image does not have"},
		"windows":     {"#!/bin/sh\r\necho\r\n", 0o755, 127, "has Windows line ends"},
		"mark":        {"\xef\xbb\xbf#!/bin/sh\n", 0o755, 126, "begins with a byte order mark"},
		"machine":     {string(foreign), 0o755, 126, "is built for " + other + ", this container runs on " + runtime.GOARCH},
		"damaged":     {"\x7fELF\x02\x01\x01 and then nothing", 0o755, 126, "is a damaged or unsuitable ELF file"},
		"exe":         {"MZ\x90\x00", 0o755, 126, "is a Windows program"},
		"macho":       {"\xcf\xfa\xed\xfe\x07\x00\x00\x01", 0o755, 126, "is a macOS program"},
		"linker":      {string(withLinker("/lib/no-such-ld.so")), 0o755, 127, "needs the dynamic linker /lib/no-such-ld.so"},
		"musl":        {string(withLinker("/lib/ld-musl-none.so.1")), 0o755, 127, "is built for musl libc, as on Alpine"},

		// The file is well, and its interpreter is not.
		"by mode":    {"#!" + dir + "/mode\n", 0o755, 126, "is run by " + dir + "/mode, and that is not executable"},
		"by machine": {"#!" + dir + "/machine\n", 0o755, 126, "is run by " + dir + "/machine, and that is built for " + other},
		"by linker":  {"#!" + dir + "/linker\n", 0o755, 127, "is run by " + dir + "/linker, and that needs the dynamic linker"},
		"by script":  {"#!" + dir + "/interpreter\n", 0o755, 127, "is run by " + dir + "/interpreter, and that needs /no/such/bash"},
		"by itself":  {"#!" + dir + "/by itself\n", 0o755, 127, "needs " + dir + "/by, which"},
		"loop":       {"#!" + dir + "/loop\n", 0o755, 126, "is run by "},
		"by folder":  {"#!" + dir + "\n", 0o755, 126, "is run by " + dir + ", and that is a folder"},
	} {
		path := filepath.Join(dir, name)
		write(t, path, test.content, test.mode)
		defer func() {
			if e := cannotStart(t, path); e.Code != test.code || !strings.HasPrefix(e.Problem, path+" "+test.says) || strings.Contains(e.Problem, "\n") {
				t.Errorf("%s: code %d, want %d: %q", name, e.Code, test.code, e.Problem)
			}
		}()
	}
	for _, test := range []struct{ says, argv string }{
		{`"nosuch" is not in this image`, "nosuch"},
		{"/no/such does not exist", "/no/such"},
		{dir + " is a folder", dir},
		{"/dev/null is a device", "/dev/null"},
		{"than Linux allows", "/bin/sh " + strings.Repeat("x", 1<<20)},
	} {
		if e := cannotStart(t, strings.Fields(test.argv)...); !strings.Contains(e.Problem, test.says) || len(e.Problem) > 1000 {
			t.Errorf("%.100s: %.1000q", test.argv, e.Problem)
		}
	}
	_, _, err := start(t, &Command{Path: "/bin/sh", Argv: []string{"sh"}, Dir: dir + "/gone"})
	if err == nil || !strings.Contains(err.Error(), "in the folder "+dir+"/gone, which is not there") {
		t.Errorf("in a folder that is not there: %v", err)
	}
}

// foreignProgram is the head of this test, made to be for another machine.
func foreignProgram(t *testing.T) (program []byte, arch string) {
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	arch, number := "arm64", uint16(183)
	if runtime.GOARCH == "arm64" {
		arch, number = "amd64", 62
	}
	program = slices.Clone(self[:4096])
	binary.LittleEndian.PutUint16(program[18:], number)
	return program, arch
}

// TestNoExec runs a program on a file system that is mounted noexec.
func TestNoExec(t *testing.T) {
	testtool.NeedRoot(t)
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_NOEXEC, ""); err != nil {
		testtool.Lacking(t, "mounting a tmpfs: "+err.Error())
	}
	defer func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) }()
	path := dir + "/program"
	write(t, path, "#!/bin/sh\n", 0o755)
	if e := cannotStart(t, path); e.Code != 126 || !strings.HasPrefix(e.Problem, path+" is on a file system that is mounted noexec") {
		t.Errorf("%d %q", e.Code, e.Problem)
	}
	by := script(t, "#!"+path)
	if e := cannotStart(t, by); !strings.HasPrefix(e.Problem, by+" is run by "+path+", and that is on a file system") {
		t.Errorf("%d %q", e.Code, e.Problem)
	}
}

// TestReadELF compares the small reader with the standard library's, on the
// programs and libraries of this machine.
func TestReadELF(t *testing.T) {
	compared := 0
	for _, pattern := range []string{"/bin/sh", "/usr/bin/[a-g]*", "/usr/lib/*-linux-gnu/lib[c-k]*.so*", "/proc/self/exe"} {
		files, _ := filepath.Glob(pattern)
		for _, file := range files {
			f, err := elf.Open(file)
			if err != nil || f.Class != elf.ELFCLASS64 {
				continue
			}
			needed, _ := f.ImportedLibraries()
			got, ok := openELF(file)
			if !ok || !slices.Equal(got.Needed, needed) || got.Machine == "" {
				t.Errorf("%s: %t %+v, want %v", file, ok, got, needed)
			}
			for _, p := range f.Progs {
				if p.Type == elf.PT_INTERP {
					b := make([]byte, p.Filesz)
					_, _ = p.ReadAt(b, 0)
					if got.Linker != string(bytes.TrimRight(b, "\x00")) {
						t.Errorf("%s: %q, want %q", file, got.Linker, b)
					}
				}
			}
			if pattern == "/bin/sh" {
				if m, lacks := findMissing(file, nil); lacks {
					t.Errorf("%s runs, but %+v", file, m)
				}
			}
			if want := wanted(f); !slices.Equal(got.Wants, want) {
				t.Errorf("%s wants %v, want %v", file, got.Wants, want)
			}
			f.Close()
			compared++
		}
	}
	if compared == 0 {
		t.Error("no program was compared")
	}
}

func wanted(f *elf.File) []libraryVersion {
	var all []libraryVersion
	needs, _ := f.DynamicVersionNeeds()
	for _, n := range needs {
		for _, v := range n.Needs {
			if v.Flags&elf.VER_FLG_WEAK == 0 {
				all = append(all, libraryVersion{n.Name, v.Dep})
			}
		}
	}
	return all
}

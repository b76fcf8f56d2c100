package shim

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestCannotStart runs the shim on what cannot be run: one line says why.
func TestCannotStart(t *testing.T) {
	dir := t.TempDir()
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	foreign := append([]byte(nil), self[:4096]...)
	other, otherMachine := "arm64", uint16(183)
	if runtime.GOARCH == "arm64" {
		other, otherMachine = "amd64", 62
	}
	binary.LittleEndian.PutUint16(foreign[18:], otherMachine)
	for name, test := range map[string]struct {
		content string
		mode    os.FileMode
		code    int
		says    string
	}{
		"mode":        {"#!/bin/sh\n", 0o644, 126, "is not executable; run `chmod +x`"},
		"shebang":     {"echo hello\n", 0o755, 126, "has no shebang line"},
		"empty":       {"", 0o755, 126, "is empty"},
		"interpreter": {"#!/no/such/bash -e\n", 0o755, 127, "needs /no/such/bash, which this image does not have"},
		"windows":     {"#!/bin/sh\r\necho\r\n", 0o755, 127, "has Windows line ends"},
		"mark":        {"\xef\xbb\xbf#!/bin/sh\n", 0o755, 126, "begins with a byte order mark"},
		"machine":     {string(foreign), 0o755, 126, "is built for " + other + ", this container runs on " + runtime.GOARCH},
		"exe":         {"MZ\x90\x00", 0o755, 126, "is a Windows program"},
		"macho":       {"\xcf\xfa\xed\xfe\x07\x00\x00\x01", 0o755, 126, "is a macOS program"},
		"linker":      {string(withLinker("/lib/no-such-ld.so")), 0o755, 127, "needs the dynamic linker /lib/no-such-ld.so"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, name)
			write(t, path, test.content, test.mode)
			c := launch(t, []string{path})
			code, said := c.code(30*time.Second), c.stderr.String()
			if code != test.code || !strings.HasPrefix(said, "shim: "+path+" "+test.says) || strings.Count(said, "\n") != 1 {
				t.Errorf("exit code %d, want %d; said %q", code, test.code, said)
			}
		})
	}
	for want, args := range map[string][]string{
		`"nosuch" is not in this image`: {"nosuch"},
		"/no/such does not exist":       {"/no/such"},
		dir + " is a folder":            {dir},
	} {
		c := launch(t, args)
		if code := c.code(30 * time.Second); (code != 127 && code != 126) || !strings.Contains(c.stderr.String(), want) {
			t.Errorf("%v: exit code %d, %q", args, code, c.stderr.String())
		}
	}
	c := launch(t, nil, env("FC_FUNC_CODE_PATH="+dir))
	if code := c.code(30 * time.Second); code != 1 || !strings.Contains(c.stderr.String(), "there is no "+dir+"/bootstrap") {
		t.Errorf("exit code %d, %q", code, c.stderr.String())
	}
}

// TestCannotStartForACall: run once for each request, a program that cannot be
// executed is told of in the log too.
func TestCannotStartForACall(t *testing.T) {
	path := filepath.Join(t.TempDir(), "program")
	write(t, path, "#!/no/such/bash\n", 0o755)
	c := launch(t, []string{path}, env("SHIM_MODE=exec"))
	c.ready()
	status, body := c.get("/")
	want := path + " needs /no/such/bash"
	if status != 502 || !strings.Contains(body, want) {
		t.Errorf("%d %q", status, body)
	}
	eventually(t, "the log tells of it", func() bool { return strings.Contains(c.stderr.String(), "shim: "+want) })
}

// withLinker is a small ELF file that asks for a dynamic linker: the header, a
// PT_INTERP and an empty PT_LOAD (System V ABI, chapters 4 and 5).
func withLinker(linker string) []byte {
	b := make([]byte, 176)
	copy(b, "\x7fELF\x02\x01\x01")
	le := binary.LittleEndian
	le.PutUint16(b[16:], 2)
	le.PutUint16(b[18:], map[string]uint16{"amd64": 62, "arm64": 183}[runtime.GOARCH])
	le.PutUint32(b[20:], 1)
	le.PutUint64(b[32:], 64)
	le.PutUint16(b[52:], 64)
	le.PutUint16(b[54:], 56)
	le.PutUint16(b[56:], 2)
	le.PutUint32(b[64:], 3)
	le.PutUint64(b[72:], 176)
	le.PutUint64(b[96:], uint64(len(linker)+1))
	le.PutUint32(b[120:], 1)
	le.PutUint32(b[124:], 5)
	le.PutUint64(b[152:], 4096)
	le.PutUint64(b[136:], 0x400000)
	le.PutUint64(b[160:], 4096)
	le.PutUint64(b[168:], 4096)
	return append(append(b, linker...), 0)
}

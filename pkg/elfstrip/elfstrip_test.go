package elfstrip

import (
	"bytes"
	"debug/elf"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/imgbuild/imgbuild/internal/testtool"
)

func strip(t *testing.T, path string) ([]byte, error) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	r, size, err := Strip(f, fi.Size())
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(b)) != size {
		t.Fatalf("%d bytes announced, %d given", size, len(b))
	}
	return b, nil
}

// compiled is a C program with debug information, linked as flags say.
func compiled(t *testing.T, flags ...string) string {
	t.Helper()
	gcc := testtool.Need(t, "gcc", "gcc")
	dir := t.TempDir()
	src, out := filepath.Join(dir, "x.c"), filepath.Join(dir, "x")
	if err := os.WriteFile(src, []byte(`#include <stdio.h>
static int big[5000] = {1};
__thread int local = 3;
int main(void) { printf("%d %d\n", big[0], local); return 7; }
`), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(gcc, append(flags, "-g", "-o", out, src)...)
	if b, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	return out
}

func TestProgramsRunAsBefore(t *testing.T) {
	for name, flags := range map[string][]string{
		"dynamic": {"-Wl,--build-id"}, "static": {"-static"}, "not position-independent": {"-no-pie"},
	} {
		t.Run(name, func(t *testing.T) {
			path := compiled(t, flags...)
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			after, err := strip(t, path)
			if err != nil {
				t.Fatal(err)
			}
			if len(after) >= len(before) {
				t.Errorf("%d bytes before, %d after", len(before), len(after))
			}
			compareLoaded(t, before, after)
			bin := filepath.Join(t.TempDir(), "stripped")
			if err := os.WriteFile(bin, after, 0o755); err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command(bin).Output()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != 7 || string(out) != "1 3\n" {
				t.Errorf("ran with %v, printed %q", err, out)
			}
			again, err := strip(t, bin)
			if err != nil || !bytes.Equal(again, after) {
				t.Errorf("stripping twice changed it: %v", err)
			}
			if readelf, err := exec.LookPath("readelf"); err == nil {
				if b, err := exec.Command(readelf, "-aW", bin).CombinedOutput(); err != nil || bytes.Contains(b, []byte("Warning")) {
					t.Errorf("readelf: %v\n%s", err, b)
				}
			}
		})
	}
}

// compareLoaded checks that all segments hold the same bytes, and that only
// what is not loaded is gone.
func compareLoaded(t *testing.T, before, after []byte) {
	t.Helper()
	b, err := elf.NewFile(bytes.NewReader(before))
	if err != nil {
		t.Fatal(err)
	}
	a, err := elf.NewFile(bytes.NewReader(after))
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range b.Progs {
		if a.Progs[i].ProgHeader != p.ProgHeader {
			t.Errorf("segment %d: %+v, was %+v", i, a.Progs[i].ProgHeader, p.ProgHeader)
		}
		from, to := p.Off, p.Off+p.Filesz
		if from < headerSize { // the file's own header is loaded too, and differs
			from = min(headerSize, to)
		}
		if !bytes.Equal(before[from:to], after[from:to]) {
			t.Errorf("segment %d differs", i)
		}
	}
	for _, s := range b.Sections {
		found := a.Section(s.Name)
		if found != nil && found.Link == 0 { // it may name a table that is gone
			s.Link = 0
		}
		if loaded := s.Flags&elf.SHF_ALLOC != 0; loaded && (found == nil || found.SectionHeader != s.SectionHeader) {
			t.Errorf("section %s: %+v, was %+v", s.Name, found, s.SectionHeader)
		} else if !loaded && found != nil && s.Name != ".shstrtab" && s.Type != elf.SHT_NULL {
			t.Errorf("section %s is still there", s.Name)
		}
	}
}

func TestWhatCannotBeStripped(t *testing.T) {
	dir := t.TempDir()
	object := compiled(t, "-c")
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, bytes.Repeat([]byte("no ELF file "), 20), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{object, text} {
		if _, err := strip(t, path); !errors.Is(err, ErrLayout) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func FuzzStrip(f *testing.F) {
	self, err := os.Executable()
	if err != nil {
		f.Fatal(err)
	}
	b, err := os.ReadFile(self)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b[:headerSize])
	f.Add([]byte(Magic))
	small := make([]byte, 4096)
	copy(small, b)
	f.Add(small)
	f.Fuzz(func(t *testing.T, b []byte) {
		r, size, err := Strip(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		n, err := io.Copy(io.Discard, r)
		if err != nil || n != size || n > int64(len(b))+sectionSize+64 {
			t.Errorf("%d bytes in, %d announced, %d out, %v", len(b), size, n, err)
		}
	})
}

package npm

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/input/inputtest"
)

func TestStripper(t *testing.T) {
	st := inputtest.Store(t)
	s, err := newStripper(st)
	if err != nil {
		t.Fatal(err)
	}
	exe := filepath.Join(t.TempDir(), "x")
	gcc := exec.Command(testtool.Need(t, "gcc", "gcc"), "-g", "-x", "c", "-o", exe, "-")
	gcc.Stdin = strings.NewReader("int main(void) { return 0; }")
	if b, err := gcc.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	program, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	get := func(b []byte) []byte {
		t.Helper()
		r, size, err := s.content(file{Path: "x", Header: &tar.Header{Size: int64(len(b))}, Content: bytes.NewReader(b)})
		if err != nil {
			t.Fatal(err)
		}
		out, err := io.ReadAll(r)
		if err != nil || int64(len(out)) != size {
			t.Fatalf("%d bytes announced, %d read: %v", size, len(out), err)
		}
		return out
	}
	first := get(program)
	if len(first) >= len(program) {
		t.Errorf("the program has %d bytes, had %d", len(first), len(program))
	}
	for _, text := range []string{"", "a", "\x7fELf is no program", strings.Repeat("text ", 100_000)} {
		if got := get([]byte(text)); string(got) != text {
			t.Errorf("a file of %d bytes that is no program was changed", len(text))
		}
	}
	if again := get(program); !bytes.Equal(again, first) {
		t.Error("the same program came out differently the second time")
	}
	if _, _, err := s.content(file{Header: &tar.Header{}, Content: strings.NewReader("\x7fELF and no more")}); err == nil {
		t.Error("a damaged program was taken")
	}
	s.close()
	if left, _ := os.ReadDir(st.Root() + "/tmp"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

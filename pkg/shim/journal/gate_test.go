package journal

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/fc"
)

// gateTo is a stream to f without a program and a keeper.
func gateTo(t testing.TB, f *os.File) *stream {
	t.Helper()
	j := &Journal{lines: true, options: Options{Mask: true, Tail: 3}}
	j.calls.init(false)
	j.tail.init(3)
	fd, err := descriptor(f)
	if err != nil {
		t.Fatal(err)
	}
	s := &stream{j: j, name: "stdout", out: f, outFD: fd, never: true, closed: true, wake: make(chan struct{}, 1)}
	j.out, j.err = s, s
	s.gate.init(s)
	return s
}

// FuzzGate: the shim's lines stand whole between the program's, in order,
// wherever the program's bytes are cut; without them the program's output is
// as it was, but for secrets and copies.
func FuzzGate(f *testing.F) {
	f.Add([]byte("one\ntwo \x01\nFC Invoke Start RequestId: 3\nlast"), uint64(1))
	f.Add([]byte("\n\n\x01\x01\nF\nFC Invoke Start RequestId: x\r\n"+strings.Repeat("long", 300)), uint64(7))
	out, err := os.CreateTemp(f.TempDir(), "out")
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { out.Close() })
	f.Fuzz(func(t *testing.T, in []byte, seed uint64) {
		if bytes.Contains(in, []byte("own-")) {
			t.Skip()
		}
		in = bytes.ReplaceAll(in, []byte{1}, []byte(keySecret))
		if err := out.Truncate(0); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		s := gateTo(t, out)
		s.j.secrets.add(accessKeySecret, keySecret)
		s.j.calls.begin(keyOf(fc.Invoke, "x"), "x")
		n := 0
		for i, p := range cutUp(in, seed) {
			if (seed>>(i%60))&1 == 1 {
				platform(s, startText[fc.Invoke], fmt.Sprint("own-", n), false)
				n++
			}
			s.mu.Lock()
			s.pass(bytes.Clone(p))
			s.mu.Unlock()
		}
		s.mu.Lock()
		s.finish()
		s.cut()
		s.own()
		s.gate.flush()
		s.mu.Unlock()

		got, err := os.ReadFile(out.Name())
		if err != nil {
			t.Fatal(err)
		}
		var program bytes.Buffer
		own := 0
		for line := range strings.Lines(string(got)) {
			if !strings.Contains(line, "own-") {
				program.WriteString(line)
			} else if line == fmt.Sprintf("FC Invoke Start RequestId: own-%d\n", own) {
				own++
			} else {
				t.Fatalf("line %d is %q", own, line)
			}
		}
		var want bytes.Buffer
		for line := range strings.Lines(string(in)) {
			if text, ended := strings.CutSuffix(line, "\n"); !ended || strings.TrimSuffix(text, "\r") != fc.Invoke.StartLine("x") {
				want.WriteString(strings.ReplaceAll(line, keySecret, mark))
			}
		}
		if b := want.Bytes(); len(b) > 0 && b[len(b)-1] != '\n' {
			want.WriteByte('\n') // cut
		}
		if own != n || program.String() != want.String() {
			t.Fatalf("%d of %d lines; %q, want %q", own, n, program.String(), want.String())
		}
	})
}

// TestFiles: which outputs pass through the shim.
func TestFiles(t *testing.T) {
	file, other := tempFile(t), tempFile(t)
	for _, c := range []struct {
		name          string
		o             Options
		throughs, one bool
	}{
		{"lines", Options{Stdout: file, Stderr: other}, true, false},
		{"nothing to do", Options{Stdout: file, Stderr: other, RequestLog: "off"}, false, false},
		{"mask", Options{Stdout: file, Stderr: other, RequestLog: "off", Mask: true}, true, false},
		{"tail", Options{Stdout: file, Stderr: other, RequestLog: "off", Tail: 1}, true, false},
		{"json", Options{Stdout: file, Stderr: other, RequestLog: "off", JSON: true}, true, false},
		{"one file", Options{Stdout: file, Stderr: file}, true, true},
	} {
		j, err := New(c.o)
		if err != nil {
			t.Fatal(err)
		}
		out, errOut := j.Files()
		if (out != c.o.Stdout) != c.throughs || (errOut != c.o.Stderr) != c.throughs || (out == errOut) != c.one {
			t.Errorf("%s: %v, %v", c.name, out.Name(), errOut.Name())
		}
		j.out.close()
		j.err.close()
	}
}

// TestOneFile: the order of 2>&1 stays.
func TestOneFile(t *testing.T) {
	f := tempFile(t)
	j, err := New(Options{Stdout: f, Stderr: f})
	if err != nil {
		t.Fatal(err)
	}
	out, errOut := dup(t, j)
	j.Start()
	want := ""
	for i := range 100 {
		fmt.Fprintf(out, "out %d\n", i)
		fmt.Fprintf(errOut, "err %d\n", i)
		want += fmt.Sprintf("out %d\nerr %d\n", i, i)
	}
	out.Close()
	errOut.Close()
	j.Drain(nil)
	if got := content(t, f); got != want {
		t.Errorf("%q", got)
	}
}

// TestTerminal: a program keeps its terminal; the platform's lines are written
// to it only on demand.
func TestTerminal(t *testing.T) {
	master, slave := terminal(t)
	other := tempFile(t)
	j, err := New(Options{Stdout: slave, Stderr: slave, RequestLog: "auto", JSON: true, Mask: true, Tail: 20})
	if err != nil {
		t.Fatal(err)
	}
	if out, errOut := j.Files(); out != slave || errOut != slave || j.lines {
		t.Error("the terminal was taken away")
	}
	j, err = New(Options{Stdout: slave, Stderr: other, RequestLog: "on", Mask: true})
	if err != nil {
		t.Fatal(err)
	}
	if out, errOut := j.Files(); out != slave || errOut == other {
		t.Error("stdout is the terminal, stderr passes through the shim")
	}
	j.Start()
	j.Begin(fc.Invoke, "1")
	j.End(fc.Invoke, "1", false)
	j.Drain(nil)
	buf := make([]byte, 1000)
	got := ""
	for !strings.Contains(got, "End RequestId: 1\r\n") {
		n, err := master.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		got += string(buf[:n])
	}
	if got != "FC Invoke Start RequestId: 1\r\nFC Invoke End RequestId: 1\r\n" {
		t.Errorf("%q", got)
	}
}

package emulator

import (
	"bytes"
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/fc"
)

// FuzzLines: whatever a function prints, in whatever pieces, comes through; its
// log is never over its limit, and no output makes it panic.
func FuzzLines(f *testing.F) {
	start, end := fc.Invoke.StartLine("1"), fc.Invoke.EndLine("1", false)
	f.Add([]byte("one\ntwo"), 1)
	f.Add([]byte(start+"\nmine\n"+end+"\r\n"+end+"\n"), 7)
	f.Add([]byte(end+"\n"+start+"\n"+start+"\n"), 3)
	f.Add(bytes.Repeat([]byte("x"), 3*maxLine), maxLine-1)
	f.Fuzz(func(t *testing.T, b []byte, piece int) {
		var out bytes.Buffer
		j := &journal{out: &out}
		l := &lines{to: j}
		c := j.begin(fc.Invoke, "1")
		for rest := b; len(rest) > 0; {
			n := min(max(1, piece), len(rest))
			if wrote, err := l.Write(rest[:n]); wrote != n || err != nil {
				t.Fatal(wrote, err)
			}
			rest = rest[n:]
		}
		l.end()
		log := j.finish(c, false)
		if got := out.String(); got != string(b) && got != string(b)+"\n" {
			t.Errorf("%q became %q", b, got)
		}
		if len(log) > tailBytes || !strings.Contains(out.String(), string(log)) {
			t.Errorf("the log is %q of %q", log, b)
		}
	})
}

package journal

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/fc"
)

// sieved passes chunks through a sieve that knows the call "id".
func sieved(chunks ...[]byte) (out string, failed bool) {
	c := &calls{}
	c.init(false)
	c.begin(keyOf(fc.HTTP, "id"), "id")
	var b bytes.Buffer
	f := &sieve{copyOf: c.copyOf, next: func(p []byte) { b.Write(p) }}
	for _, p := range chunks {
		p = bytes.Clone(p)
		f.pass(p)
		clear(p) // the buffer is used again
	}
	f.release()
	return b.String(), c.known[keyOf(fc.Invoke, "id")].failed
}

// TestSieveAnyChunks cuts one output at every two places: what comes out is
// the same.
func TestSieveAnyChunks(t *testing.T) {
	in := []byte("one\nFC Invoke Start RequestId: id\ntwo\nFC Invoke End RequestId: id, Error: Unhandled function error\r\nFC x\n\nF\nunended FC")
	want := "one\ntwo\nFC x\n\nF\nunended FC"
	for cut := range in {
		for second := cut; second < len(in); second++ {
			if got, failed := sieved(in[:cut], in[cut:second], in[second:]); got != want || !failed {
				t.Fatalf("cut at %d and %d: %q, failed %t", cut, second, got, failed)
			}
		}
	}
}

// FuzzSieve: whatever comes, in whatever pieces, only whole log lines of the
// known call go missing.
func FuzzSieve(f *testing.F) {
	f.Add([]byte("a\nFC Invoke Start RequestId: id\nb"), uint64(3))
	f.Add([]byte("FC Invoke Start RequestId: "+strings.Repeat("y", 600)+"\n"), uint64(1))
	f.Add([]byte("FC Invoke End RequestId: id\nFC Invoke End RequestId: id, Error: Unhandled function error\nFC PreStop End RequestId: id\n\nFC Invoke End RequestId: id"), uint64(2))
	f.Fuzz(func(t *testing.T, in []byte, seed uint64) {
		var want bytes.Buffer
		for line := range bytes.Lines(in) {
			text, ended := bytes.CutSuffix(line, []byte("\n"))
			copies := []string{fc.Invoke.StartLine("id"), fc.Invoke.EndLine("id", false), fc.Invoke.EndLine("id", true)}
			if !ended || !slices.Contains(copies, string(bytes.TrimSuffix(text, []byte("\r")))) {
				want.Write(line)
			}
		}
		if got, _ := sieved(cutUp(in, seed)...); got != want.String() {
			t.Errorf("%q: %q, want %q", in, got, want.String())
		}
	})
}

// cutUp cuts b at random places.
func cutUp(b []byte, seed uint64) (pieces [][]byte) {
	random := rand.New(rand.NewPCG(seed, 0))
	for len(b) > 0 {
		n := 1 + random.IntN(min(len(b), 1+random.IntN(40)))
		pieces, b = append(pieces, b[:n]), b[n:]
	}
	return pieces
}

func TestRemembered(t *testing.T) {
	c := &calls{}
	c.init(false)
	for i := range 3 * remembered {
		k := key(i + 1)
		c.begin(k, "")
		c.begin(k, "")
		c.end(k)
		c.end(k)
	}
	c.begin(1, "")
	for range 2 * remembered {
		c.begin(7, "")
		c.end(7)
	}
	if n := len(c.known); n > remembered+2 {
		t.Errorf("%d calls are kept", n)
	}
	if !c.seen(1, false) || !c.seen(7, false) || c.seen(2, false) {
		t.Error("what is in flight or has just ended is known, nothing else")
	}
}

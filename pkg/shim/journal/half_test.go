package journal

import (
	"strings"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/pkg/fc"
)

// TestHalfLine: a line that the program does not end is ended where a request
// ends, if that is the only one.
func TestHalfLine(t *testing.T) {
	for _, json := range []bool{false, true} {
		r := newRig(t, Options{JSON: json})
		r.print(r.stdout, "loading")
		eventually(t, func() bool { return r.Journal.out.half.Load() }, r.out.String)
		time.Sleep(2 * patience)
		r.Begin(fc.Invoke, "1")
		r.print(r.stdout, "work")
		r.End(fc.Invoke, "1", false)
		r.print(r.stdout, "ing\n")
		out, _ := r.end(t)
		want := "loading\nFC Invoke Start RequestId: 1\nwork\nFC Invoke End RequestId: 1\ning\n"
		if json {
			want = `{"stream":"stdout","message":"loading","partial":true}` + "\nFC Invoke Start RequestId: 1\n" +
				`{"stream":"stdout","requestId":"1","message":"work","partial":true}` + "\nFC Invoke End RequestId: 1\n" +
				`{"stream":"stdout","message":"ing"}` + "\n"
			out = timeField.ReplaceAllString(out, "")
		}
		if out != want {
			t.Errorf("%q\nwant %q", out, want)
		}
	}
}

// TestHalfLineOfOthers: while another request is in flight, the shim's lines
// wait for the program to end its line; when it falls silent they do not.
func TestHalfLineOfOthers(t *testing.T) {
	r, silence := writesALine(t)
	for silence >= patience { // the machine was busy: that was a silence
		r, silence = writesALine(t)
	}
	begins := "FC Invoke Start RequestId: long\n" + strings.Repeat("x", 1001) + "\n"
	eventually(t, func() bool {
		out := r.out.String()
		return strings.HasPrefix(out, begins) && strings.Count(out, "FC Invoke Start RequestId: short\n") == 10 &&
			strings.Count(out, "FC Invoke End RequestId: short\n") == 10
	}, r.out.String)
	r.print(r.stdout, "silence")
	eventually(t, func() bool { return strings.HasSuffix(r.out.String(), "silence") }, r.out.String)
	r.Begin(fc.Invoke, "last")
	eventually(t, func() bool { return strings.HasSuffix(r.out.String(), "silence\nFC Invoke Start RequestId: last\n") }, r.out.String)
	// Dots without an end do not keep them back for ever.
	start := time.Now()
	r.End(fc.Invoke, "last", false)
	for !strings.Contains(r.out.String(), "\nFC Invoke End RequestId: last\n") || time.Since(start) < 3*patience {
		r.print(r.stdout, ".")
		if time.Since(start) > 20*shortLine {
			t.Fatal("the End line does not come")
		}
		time.Sleep(patience / 10)
	}
}

// writesALine has a program write a line of 1001 bytes in pieces, while other
// requests come and go, and returns the longest time between two pieces.
func writesALine(t *testing.T) (r *rig, silence time.Duration) {
	r = newRig(t, Options{})
	r.Begin(fc.Invoke, "long")
	r.print(r.stdout, "x")
	last := time.Now()
	eventually(t, func() bool { return r.Journal.out.half.Load() }, r.out.String)
	for range 10 {
		silence = max(silence, time.Since(last))
		last = time.Now()
		r.print(r.stdout, strings.Repeat("x", 100))
		r.Begin(fc.Invoke, "short")
		r.End(fc.Invoke, "short", false)
		time.Sleep(patience / 4)
	}
	r.print(r.stdout, "\n")
	return r, max(silence, time.Since(last))
}

// TestHeldAMoment: what may be the beginning of a secret or of a log line
// passes when nothing follows.
func TestHeldAMoment(t *testing.T) {
	r := newRig(t, Options{Mask: true})
	r.secrets.add(accessKeySecret, keySecret)
	text := ""
	for _, s := range []string{"prompt " + keySecret[:4], "\nFC Invoke Start Requ", "\nF", "C", "\n" + keySecret[:20]} {
		text += s
		r.print(r.stdout, s)
		r.out.wait(t, text)
	}
	r.Begin(fc.Invoke, "1")
	r.print(r.stdout, "FC Invoke End")
	r.End(fc.Invoke, "1", false)
	if out, _ := r.end(t); out != text+"\nFC Invoke Start RequestId: 1\nFC Invoke End\nFC Invoke End RequestId: 1\n" {
		t.Errorf("%q", out)
	}
}

// TestHalfObject: a prompt becomes an object although its line does not end.
func TestHalfObject(t *testing.T) {
	r := newRig(t, Options{JSON: true})
	r.Start() // once more
	r.print(r.stdout, "prompt> ")
	eventually(t, func() bool { return r.out.String() != "" }, r.out.String)
	r.print(r.stdout, "answer\nnext\n")
	out, _ := r.end(t)
	if got := timeField.ReplaceAllString(out, ""); got != `{"stream":"stdout","message":"prompt> ","partial":true}
{"stream":"stdout","message":"answer"}
{"stream":"stdout","message":"next"}
` {
		t.Errorf("%s", got)
	}
}

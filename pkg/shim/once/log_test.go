package once

import (
	"os"
	"strings"
	"testing"
)

// pieces remembers each Write.
type pieces []string

func (p *pieces) Write(b []byte) (int, error) {
	*p = append(*p, string(b))
	return len(b), nil
}

// TestLogIsOfLines: runs log at the same time, so that each Write must be whole
// lines however the program wrote them.
func TestLogIsOfLines(t *testing.T) {
	long := strings.Repeat("x", logLine+100)
	for _, c := range []struct {
		writes []string
		want   string
	}{
		{[]string{"one", " line\ntwo", "\n"}, "one line\ntwo\n"},
		{[]string{"not ended"}, "not ended\n"},
		{[]string{"a\n", "b"}, "a\nb\n"},
		{nil, ""},
		{[]string{long, "\nnext\n"}, long + "\nnext\n"},
	} {
		out, in, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		r := &run{stderr: out, logged: make(chan struct{}), tail: tail{lines: 1}}
		var got pieces
		go r.log(&got)
		for _, w := range c.writes {
			_, _ = in.WriteString(w)
		}
		in.Close()
		<-r.logged
		out.Close()
		for i, w := range got {
			if !strings.HasSuffix(w, "\n") && len(w) < logLine {
				t.Errorf("piece %d does not end a line: %q", i, w)
			}
		}
		if strings.Join(got, "") != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

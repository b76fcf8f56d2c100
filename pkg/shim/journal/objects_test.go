package journal

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/pkg/fc"
)

var timeField = regexp.MustCompile(`"time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",`)

// entry is an object as a reader of the log sees it.
type entry struct {
	Time, Stream, RequestID, Message string
	Partial                          bool
}

func TestObject(t *testing.T) {
	got := appendObject(nil, object{time: time.Date(2026, 11, 22, 12, 0, 0, 7e6, time.FixedZone("", 3600)),
		stream: "stdout", requestID: "a\"b", message: []byte("tab\tquote\" \\ \x01 \xff é \u2028\r"), partial: true})
	want := `{"time":"2026-11-22T11:00:00.007Z","stream":"stdout","requestId":"a\"b","message":"tab\tquote\" \\ \u0001 ` + "\ufffd é \u2028" + `\r","partial":true}` + "\n"
	if string(got) != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

// TestRequestIDs: an object names the request that is the only one in flight,
// or that the line itself names.
func TestRequestIDs(t *testing.T) {
	const one, two = "11111111-aaaa-4000-8000-000000000001", "22222222-bbbb-4000-8000-000000000002"
	r := newRig(t, Options{JSON: true, RequestLog: "off"})
	r.print(r.stdout, "nobody "+one+"\n")
	r.out.lines(t, 1)
	r.Begin(fc.HTTP, one)
	r.print(r.stdout, "only one\n")
	r.out.lines(t, 2)
	r.Begin(fc.Invoke, two)
	r.print(r.stdout, "of either\n2026-11-22T10:00:00.000Z "+two+" [INFO] hello\n{\"own\":\"object\"}\n["+one+"]: x\n"+one+"0 other\n")
	r.out.lines(t, 7)
	r.End(fc.HTTP, one, false)
	r.print(r.stdout, "only two\n")
	r.out.lines(t, 8)
	r.End(fc.Invoke, two, false)
	r.print(r.stdout, "nobody again\nFC Invoke Start RequestId: "+one+"\n")
	out, _ := r.end(t)
	want := `{"stream":"stdout","message":"nobody 1"}
{"stream":"stdout","requestId":"1","message":"only one"}
{"stream":"stdout","message":"of either"}
{"stream":"stdout","requestId":"2","message":"2026-11-22T10:00:00.000Z 2 [INFO] hello"}
{"own":"object"}
{"stream":"stdout","requestId":"1","message":"[1]: x"}
{"stream":"stdout","message":"10 other"}
{"stream":"stdout","requestId":"2","message":"only two"}
{"stream":"stdout","message":"nobody again"}
{"stream":"stdout","message":"FC Invoke Start RequestId: 1"}
`
	got := strings.NewReplacer(one, "1", two, "2").Replace(timeField.ReplaceAllString(out, ""))
	if got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

// lines waits for n lines.
func (s *sink) lines(t testing.TB, n int) {
	t.Helper()
	eventually(t, func() bool { return strings.Count(s.String(), "\n") >= n }, s.String)
}

// FuzzObjects: each line comes back from its objects, however it was cut.
func FuzzObjects(f *testing.F) {
	f.Add([]byte("one\r\ntwo\n\n{\"a\":1}\n{not}\nlast"), uint64(1), byte(0))
	f.Add([]byte("é\xff\x00\u2028\n"), uint64(2), byte(3))
	f.Fuzz(func(t *testing.T, in []byte, seed uint64, long byte) {
		const limit = 64
		in = append(bytes.Repeat([]byte("é"), int(long)%limit), in...)
		var out bytes.Buffer
		o := &objects{stream: "stdout", calls: &calls{}, limit: limit, put: func(b []byte) { out.Write(b) }}
		for _, p := range cutUp(in, seed) {
			o.pass(bytes.Clone(p))
		}
		o.release()
		want := in
		for line := range bytes.Lines(out.Bytes()) {
			if rest, ok := bytes.CutPrefix(want, line); ok && isObject(line) {
				want = rest // unchanged
				continue
			}
			var e entry
			if err := json.Unmarshal(line, &e); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			if len(e.Message) > 3*limit {
				t.Fatalf("a message of %d bytes", len(e.Message))
			}
			if _, err := time.Parse(time.RFC3339, e.Time); err != nil || e.Stream != "stdout" {
				t.Fatalf("%q", line)
			}
			// The message is a piece of want, but for bytes that are not UTF-8.
			for _, r := range e.Message {
				got := []rune(string(want[:min(len(want), 4)]))
				if len(got) == 0 || got[0] != r {
					t.Fatalf("%q, want %q", r, got)
				}
				n := len(string(r))
				if r == '\ufffd' && !bytes.HasPrefix(want, []byte("\ufffd")) {
					n = 1
				}
				want = want[n:]
			}
			if !e.Partial {
				want = bytes.TrimPrefix(want, []byte("\r"))
				want = bytes.TrimPrefix(want, []byte("\n"))
			}
		}
		if len(want) != 0 {
			t.Fatalf("%q did not come", want)
		}
	})
}

package journal

import (
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/pkg/fc"
)

// TestConcurrent: 64 requests at once, each of which writes lines of its own
// on both streams: every line is whole, and stdout's between Start and End.
func TestConcurrent(t *testing.T) {
	const requests, rounds = 64, 20
	r := newRig(t, Options{Mask: true, Tail: 20})
	var wg sync.WaitGroup
	var writing sync.Mutex // one program writes a long line at a time
	for i := range requests {
		wg.Go(func() {
			for k := range rounds {
				id := fmt.Sprintf("request-%d-%d", i, k)
				r.Begin(fc.Invoke, id)
				line := id + " " + strings.Repeat("x", 10+rand.IntN(9000)) + " " + id + "\n"
				writing.Lock()
				r.print(r.stdout, line)
				r.print(r.stderr, line)
				writing.Unlock()
				r.End(fc.Invoke, id, i%2 == 0)
			}
		})
	}
	wg.Wait()
	out, errText := r.end(t)
	state := map[string]int{} // 1 started, 2 its line came, 3 ended
	start := regexp.MustCompile(`^FC Invoke Start RequestId: (request-\d+-\d+)\n$`)
	end := regexp.MustCompile(`^FC Invoke End RequestId: (request-(\d+)-\d+)(, Error: Unhandled function error)?\n$`)
	own := regexp.MustCompile(`^(request-\d+-\d+) x+ (request-\d+-\d+)\n$`)
	for line := range strings.Lines(out) {
		var id string
		want := 0
		if m := start.FindStringSubmatch(line); m != nil {
			id = m[1]
		} else if m := own.FindStringSubmatch(line); m != nil && m[1] == m[2] {
			id, want = m[1], 1
		} else if m := end.FindStringSubmatch(line); m != nil {
			id, want = m[1], 2
			if n, _ := strconv.Atoi(m[2]); (n%2 == 0) != (m[3] != "") {
				t.Errorf("wrong end: %q", line)
			}
		} else {
			t.Fatalf("mixed: %.200q", line)
		}
		if state[id] != want {
			t.Fatalf("%.100q came in state %d", line, state[id])
		}
		state[id]++
	}
	if len(state) != requests*rounds {
		t.Errorf("%d requests in the log", len(state))
	}
	for line := range strings.Lines(errText) {
		if !own.MatchString(line) {
			t.Fatalf("stderr: %.200q", line)
		}
	}
}

// TestLongLines: lines of 1 MB, and one of 100 MB, pass byte for byte while
// requests come and go.
func TestLongLines(t *testing.T) {
	r := &rig{}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	j, err := New(Options{Stdout: write, Stderr: write, RequestLog: "on", Mask: true, Tail: 20})
	if err != nil {
		t.Fatal(err)
	}
	r.Journal = j
	r.stdout, r.stderr = dup(t, j)
	j.Start()
	j.secrets.add(accessKeySecret, keySecret)

	want := sha256.New()
	go func() {
		block := []byte(strings.Repeat("0123456789abcdefFC Invoke", 40000)) // 1 MB
		long := make([]byte, 0, 100*len(block))
		for range 100 {
			long = append(long, block...)
		}
		for _, line := range [][]byte{block, long, block, block} {
			line = append(line, '\n')
			want.Write(line)
			_, _ = r.stdout.Write(line)
		}
		r.stdout.Close()
		r.stderr.Close()
		j.Drain(nil)
		write.Close()
	}()
	stop, stopped := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		for ; ; n++ {
			select {
			case <-stop:
				stopped <- n
				return
			default:
			}
			j.Begin(fc.Invoke, "1")
			time.Sleep(time.Millisecond)
			j.End(fc.Invoke, "1", false)
		}
	}()
	all, err := io.ReadAll(read)
	close(stop)
	if err != nil {
		t.Fatal(err)
	}
	got, lines := sha256.New(), 0
	for line := range strings.Lines(string(all)) {
		if strings.HasPrefix(line, "FC Invoke ") && len(line) < 100 {
			lines++
		} else {
			io.WriteString(got, line)
		}
	}
	if string(got.Sum(nil)) != string(want.Sum(nil)) {
		t.Errorf("%d bytes are not what was written", len(all))
	}
	if n := <-stopped; n < 10 || lines == 0 {
		t.Errorf("%d requests, %d lines", n, lines)
	}
}

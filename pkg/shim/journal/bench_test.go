package journal

import (
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/fc"
	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// BenchmarkRequest is what a request costs: the credentials in its header and
// both lines, 60 bytes each, while the program is silent.
func BenchmarkRequest(b *testing.B) {
	for _, to := range []string{"null", "pipe", "load"} {
		for _, n := range []int{1, 16, 64} {
			b.Run(fmt.Sprintf("%s/%d", to, n), func(b *testing.B) {
				out := benchOutput(b, to)
				j, err := New(Options{Stdout: out, Stderr: out, RequestLog: "on", Mask: true, Tail: 20})
				if err != nil {
					b.Fatal(err)
				}
				o, e := dup(b, j)
				defer o.Close()
				defer e.Close()
				j.Start()
				if to == "load" { // another request is in flight all the time
					j.Begin(fc.Invoke, "other")
				}
				b.ReportAllocs()
				b.ResetTimer()
				var left atomic.Int64
				left.Store(int64(b.N))
				var wg sync.WaitGroup
				for i := range n {
					h := message.Header{
						{Name: "Host", Value: "example.com"},
						{Name: "X-Fc-Access-Key-Secret", Value: "0123456789abcdefghijklmnopqrst"},
						{Name: "User-Agent", Value: "wrk"},
						{Name: "Accept", Value: "*/*"},
						{Name: "X-Fc-Security-Token", Value: string(make([]byte, 700))},
					}
					id := fmt.Sprintf("00000000-0000-4000-8000-%012d", i)
					wg.Go(func() {
						for left.Add(-1) >= 0 {
							j.Hide(h)
							j.Begin(fc.Invoke, id)
							j.End(fc.Invoke, id, false)
						}
					})
				}
				wg.Wait()
				b.StopTimer()
				if d := j.out.queue.dropped; d > 0 {
					b.Errorf("%d lines were dropped", d)
				}
			})
		}
	}
}

func benchOutput(b *testing.B, to string) *os.File {
	if to == "null" {
		f, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { f.Close() })
		return f
	}
	r, w, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	go io.Copy(io.Discard, r)
	b.Cleanup(func() { w.Close() })
	return w
}

// BenchmarkPrinting is what one request at a time costs whose program writes a
// line to stdout and one to stderr: End waits for them.
func BenchmarkPrinting(b *testing.B) {
	j, err := New(Options{Stdout: benchOutput(b, "pipe"), Stderr: benchOutput(b, "pipe"), RequestLog: "on", Mask: true, Tail: 20})
	if err != nil {
		b.Fatal(err)
	}
	stdout, stderr := dup(b, j)
	defer stdout.Close()
	defer stderr.Close()
	j.Start()
	b.ReportAllocs()
	for b.Loop() {
		j.Begin(fc.Invoke, "00000000-0000-4000-8000-000000000000")
		_, _ = stdout.WriteString("a line of the program\n")
		_, _ = stderr.WriteString("another one\n")
		j.End(fc.Invoke, "00000000-0000-4000-8000-000000000000", false)
	}
}

// BenchmarkOutput is what the program's own output costs, in bytes a second.
func BenchmarkOutput(b *testing.B) {
	line := []byte(`{"level":"info","msg":"GET /index.html","status":200,"took":0.0123}` + "\n")
	for _, json := range []bool{false, true} {
		b.Run(fmt.Sprintf("json=%t", json), func(b *testing.B) {
			out := benchOutput(b, "null")
			j, err := New(Options{Stdout: out, Stderr: out, RequestLog: "on", Mask: true, Tail: 20, JSON: json})
			if err != nil {
				b.Fatal(err)
			}
			j.Hide(message.Header{{Name: "x-fc-access-key-secret", Value: "0123456789abcdefghijklmnopqrst"}})
			var chunk []byte
			for len(chunk)+len(line) < chunkSize {
				chunk = append(chunk, line...)
			}
			b.SetBytes(int64(len(chunk)))
			b.ReportAllocs()
			j.out.mu.Lock()
			defer j.out.mu.Unlock()
			for b.Loop() {
				j.out.pass(chunk)
			}
		})
	}
}

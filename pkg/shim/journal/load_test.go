package journal

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/pkg/fc"
	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// TestFlood: a program fills stdout without end; requests are not slowed
// beyond measure, their lines are whole, and memory stays.
func TestFlood(t *testing.T) {
	out := tempFile(t)
	devNull, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer devNull.Close()
	j, err := New(Options{Stdout: devNull, Stderr: out, RequestLog: "on", Mask: true, Tail: 20})
	if err != nil {
		t.Fatal(err)
	}
	j.secrets.add(accessKeySecret, keySecret)
	cmd := exec.Command("yes", "a line that the program writes again and again")
	cmd.Stdout, cmd.Stderr = j.Files()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	j.Start()
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	eventually(t, func() bool { return j.out.passed.Load() > 100<<20 }, func() string { return "no output" })
	before := heap()
	const n = 500
	took := time.Hour
	for try := 0; try < 5 && took > patience; try++ { // a busy machine may be slow itself
		start := time.Now()
		for i := range n {
			id := fmt.Sprint("request-", i)
			j.Begin(fc.Invoke, id)
			j.End(fc.Invoke, id, false)
		}
		took = time.Since(start) / n
	}
	if took > patience {
		t.Errorf("a request took %s longer", took)
	}
	if grown := int64(heap()) - int64(before); grown > 8<<20 {
		t.Errorf("%d MB more", grown>>20)
	}
	if j.out.queue.dropped > 0 {
		t.Errorf("%d lines dropped", j.out.queue.dropped)
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse
}

// TestSoak: many requests with output of their own; memory stays. 10 s, or 1 s
// with -short.
func TestSoak(t *testing.T) {
	duration := 10 * time.Second
	if testing.Short() {
		duration = time.Second
	}
	devNull, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer devNull.Close()
	j, err := New(Options{Stdout: devNull, Stderr: tempFile(t), RequestLog: "on", Mask: true, Tail: 20})
	if err != nil {
		t.Fatal(err)
	}
	stdout, stderr := dup(t, j)
	defer stdout.Close()
	defer stderr.Close()
	j.Start()
	var early, n uint64
	done := make(chan uint64)
	start := time.Now()
	for i := range 16 {
		go func() {
			var n uint64
			for ; time.Since(start) < duration; n++ {
				id := fmt.Sprintf("%d-%d", i, n)
				j.Hide(message.Header{{Name: "Authorization", Value: "Bearer token-of-client-" + id}})
				j.Begin(fc.HTTP, id)
				if n%8 == 0 {
					fmt.Fprintf(stdout, "%s\n", strings.Repeat("x", int(n%5000)))
				}
				j.End(fc.HTTP, id, false)
			}
			done <- n
		}()
	}
	time.Sleep(duration / 4)
	early = heap()
	for range 16 {
		n += <-done
	}
	late := heap()
	t.Logf("%d requests, heap %d KB, later %d KB", n, early>>10, late>>10)
	if late > early+4<<20 || late > 32<<20 {
		t.Errorf("heap grew from %d to %d KB", early>>10, late>>10)
	}
	if j.out.queue.dropped > 0 {
		t.Errorf("%d lines dropped", j.out.queue.dropped)
	}
}

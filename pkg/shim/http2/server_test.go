package http2

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

func TestNetHTTP(t *testing.T) {
	addr, _ := listen(t, echo, Options{})
	c := httpClient(t)
	r, err := c.Get("http://" + addr + "/a?b=c")
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Body.Close()
	if r.ProtoMajor != 2 || r.StatusCode != 200 || r.Header.Get("X-Target") != "/a?b=c" || r.Header.Get("X-Host") != addr || r.Header.Get("X-Method") != "GET" || r.Header.Get("X-Length") != "0" {
		t.Errorf("%v", r)
	}

	body := strings.Repeat("0123456789", 100_000)
	req, _ := http.NewRequest("POST", "http://"+addr, struct{ io.Reader }{strings.NewReader(body)})
	req.Trailer = http.Header{"X-Sum": {"of it"}}
	if r, err = c.Do(req); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r.Body)
	if err != nil || string(got) != body || r.Trailer.Get("X-Sum") != "of it" || r.Header.Get("X-Length") != "-1" {
		t.Errorf("%d bytes, %v, %v", len(got), err, r.Trailer)
	}

	if r, err = c.Head("http://" + addr); err != nil || r.StatusCode != 200 || r.Header.Get("X-Method") != "HEAD" {
		t.Errorf("%v %v", r, err)
	}
	if r, err = c.Post("http://"+addr, "text/plain", strings.NewReader("abc")); err != nil || r.ContentLength != 3 {
		t.Errorf("%v %v", r, err)
	}
}

func TestConcurrent(t *testing.T) {
	addr, _ := listen(t, echo, Options{})
	c := httpClient(t)
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			for j := range 5 {
				body := bytes.Repeat(fmt.Appendf(nil, "%d-%d ", i, j), 30_000)
				r, err := c.Post("http://"+addr, "text/plain", bytes.NewReader(body))
				if err != nil {
					t.Error(err)
					return
				}
				got, err := io.ReadAll(r.Body)
				if err != nil || !bytes.Equal(got, body) {
					t.Errorf("%d bytes of %d: %v", len(got), len(body), err)
				}
			}
		})
	}
	all.Wait()
}

// TestMemory sends 32 MB both ways, to readers that are slow at times.
func TestMemory(t *testing.T) {
	addr, _ := listen(t, echo, Options{})
	c := httpClient(t)
	var most atomic.Uint64
	done := make(chan struct{})
	var measured sync.WaitGroup
	measured.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(5 * time.Millisecond):
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				most.Store(max(most.Load(), m.HeapAlloc))
			}
		}
	})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			r, err := c.Post("http://"+addr, "", io.LimitReader(zeros{}, 32<<20))
			if err != nil {
				t.Error(err)
				return
			}
			n := int64(0)
			for range 4 {
				m, err := io.CopyN(io.Discard, r.Body, 8<<20)
				if n += m; err != nil && err != io.EOF {
					t.Error(err)
				}
				time.Sleep(20 * time.Millisecond)
			}
			if n != 32<<20 {
				t.Errorf("%d bytes came back", n)
			}
		})
	}
	all.Wait()
	close(done)
	measured.Wait()
	if most.Load() > 64<<20 { // net/http's client, which keeps up to 4 MB a stream, is in it
		t.Errorf("%d MB in use", most.Load()>>20)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestStreaming(t *testing.T) {
	step := make(chan string)
	addr, _ := listen(t, func(x message.Exchange) {
		if err := x.Head(message.Head{Status: 200, Length: -1}); err != nil {
			t.Error(err)
		}
		for s := range step {
			_, _ = io.WriteString(x, s)
			_ = x.Flush()
		}
		_ = x.End(message.Header{{Name: "Grpc-Status", Value: "0"}})
	}, Options{})
	r, err := func() (*http.Response, error) {
		go func() { step <- "one" }()
		return httpClient(t).Get("http://" + addr)
	}()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"one", "two", "three"} {
		got := make([]byte, len(want))
		if _, err := io.ReadFull(r.Body, got); err != nil || string(got) != want {
			t.Fatalf("%q %v", got, err)
		}
		switch want {
		case "one":
			step <- "two"
		case "two":
			step <- "three"
		default:
			close(step)
		}
	}
	if rest, err := io.ReadAll(r.Body); err != nil || len(rest) > 0 || r.Trailer.Get("Grpc-Status") != "0" {
		t.Errorf("%q %v %v", rest, err, r.Trailer)
	}
}

func TestInterimAndExpect(t *testing.T) {
	addr, _ := listen(t, func(x message.Exchange) {
		if err := x.Interim(103, message.Header{{Name: "Link", Value: "</a>"}}); err != nil {
			t.Error(err)
		}
		if x.Interim(101, nil) == nil {
			t.Error("101 was sent")
		}
		if !x.Request().Expect {
			t.Error("Expect is not seen")
		}
		echo(x)
		if _, err := x.Upgrade(); err == nil {
			t.Error("Upgrade")
		}
	}, Options{})
	var interim []int
	continued := false
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			if interim = append(interim, code); code == 103 && h.Get("Link") != "</a>" {
				t.Errorf("%v", h)
			}
			return nil
		},
		Got100Continue: func() { continued = true },
	})
	req, _ := http.NewRequestWithContext(ctx, "POST", "http://"+addr, strings.NewReader("body"))
	req.Header.Set("Expect", "100-continue")
	c := httpClient(t)
	c.Transport.(*http.Transport).ExpectContinueTimeout = time.Hour // no body without a 100
	r, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r.Body); err != nil || string(got) != "body" {
		t.Errorf("%q %v", got, err)
	}
	if fmt.Sprint(interim) != "[103 100]" || !continued {
		t.Errorf("%v, %v", interim, continued)
	}
}

// TestEarlyAnswer answers before the body has come, and does not read it.
func TestEarlyAnswer(t *testing.T) {
	addr, _ := listen(t, func(x message.Exchange) { message.Answer(x, 413, nil, []byte("no")) }, Options{})
	c := httpClient(t)
	for range 20 {
		r, err := c.Post("http://"+addr, "", io.LimitReader(zeros{}, 8<<20))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r.Body); err != nil || string(got) != "no" || r.StatusCode != 413 {
			t.Fatalf("%q %v", got, err)
		}
	}
}

func TestCurl(t *testing.T) {
	curl := testtool.Need(t, "curl", "curl")
	addr, _ := listen(t, echo, Options{})
	cmd := exec.Command(curl, "-sS", "--http2-prior-knowledge", "-w", "%{http_version} %{http_code}", "--data-binary", "@-", "http://"+addr+"/x")
	cmd.Stdin = strings.NewReader(strings.Repeat("x", 3<<20))
	out, err := cmd.CombinedOutput()
	if err != nil || len(out) != 3<<20+len("2 200") || !bytes.HasSuffix(out, []byte("2 200")) {
		t.Errorf("%d bytes, %v: %s", len(out), err, out[max(0, len(out)-100):])
	}
}

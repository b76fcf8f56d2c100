package emulator_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/pkg/emulator"
	"github.com/imgbuild/imgbuild/pkg/template"
)

// late looks for more than there was only after a while, as on a busy machine.
type late struct {
	io.ReadCloser
	ended bool
}

func (l *late) Read(p []byte) (int, error) {
	if l.ended {
		time.Sleep(200 * time.Millisecond)
	}
	n, err := l.ReadCloser.Read(p)
	l.ended = l.ended || err != nil
	return n, err
}

// An answer that begins before the end of the request has been looked at is whole.
func TestAnswerBeforeTheEndIsSeen(t *testing.T) {
	e := play(t, template.Function{Timeout: time.Minute, Triggers: open}, &fake{handle: func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			panic(err)
		}
		for half := range bytes.SplitSeq(b, []byte("-")) {
			_, _ = w.Write(half)
			_ = http.NewResponseController(w).Flush()
			time.Sleep(time.Second)
		}
	}}, emulator.Options{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = &late{ReadCloser: r.Body}
		e.ServeHTTP(w, r)
	}))
	defer s.Close()
	res, err := http.Post(s.URL, "text/plain", bytes.NewReader([]byte("one-two")))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got, err := io.ReadAll(res.Body); err != nil || string(got) != "onetwo" {
		t.Errorf("got %q, %v", got, err)
	}
}

// A function may answer what it has while more comes.
func TestBothWaysAtOnce(t *testing.T) {
	e := play(t, template.Function{Timeout: time.Minute, Triggers: open}, &fake{handle: func(w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w)
		if err := c.EnableFullDuplex(); err != nil {
			panic(err)
		}
		for b := make([]byte, 100); ; {
			n, err := r.Body.Read(b)
			_, _ = w.Write(b[:n])
			_ = c.Flush()
			if err != nil {
				return
			}
		}
	}}, emulator.Options{})
	s := httptest.NewServer(e)
	defer s.Close()
	defer s.CloseClientConnections() // it waits for them
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	r, w := io.Pipe()
	defer w.Close()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL, r)
	if err != nil {
		t.Fatal(err)
	}
	go io.WriteString(w, "question 0")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	for n := range byte(3) {
		want := "question " + string('0'+n)
		if n > 0 {
			if _, err := io.WriteString(w, want); err != nil {
				t.Fatal(err)
			}
		}
		got := make([]byte, len(want))
		if _, err := io.ReadFull(res.Body, got); err != nil || string(got) != want {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	w.Close()
	if rest, err := io.ReadAll(res.Body); err != nil || len(rest) > 0 {
		t.Errorf("and then %q, %v", rest, err)
	}
}

package fetch

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/mirror"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// job is what a child process fetches.
type job struct {
	Store, URL string
	Input      lock.Input
}

// TestMain lets the test binary be a child that fetches and ends.
func TestMain(m *testing.M) {
	if v := os.Getenv("FETCH_TEST_JOB"); v != "" {
		if err := runJob(v); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func runJob(v string) error {
	var j job
	if err := json.Unmarshal([]byte(v), &j); err != nil {
		return err
	}
	if size := os.Getenv("FETCH_TEST_TMPFS"); size != "" {
		if err := syscall.Mount("tmpfs", j.Store, "tmpfs", 0, "size="+size); err != nil {
			return err
		}
	}
	st, err := store.Open(j.Store)
	if err != nil {
		return err
	}
	m, err := mirror.New(mirror.Options{Flags: map[string]string{mirror.Debian: j.URL}})
	if err != nil {
		return err
	}
	f, err := New(st, m)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, err = f.Fetch(ctx, j.Input)
	return err
}

// child starts another process that fetches in into st.
func child(t *testing.T, st *store.Store, url string, in lock.Input, opts ...func(*exec.Cmd)) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	v, err := json.Marshal(job{st.Root(), url, in})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "FETCH_TEST_JOB="+string(v))
	out := new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr = out, out
	for _, opt := range opts {
		opt(cmd)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, out
}

func TestKilled(t *testing.T) {
	b := content(4 << 20)
	half := make(chan struct{})
	s := serve(t, func(n int, w http.ResponseWriter, r *http.Request) {
		if n == 0 {
			w.Header().Set("Content-Length", fmt.Sprint(len(b)))
			w.Write(b[:3<<20])
			w.(http.Flusher).Flush()
			close(half)
			<-r.Context().Done()
			return
		}
		whole(w, r, b)
	})
	st := openStore(t)
	cmd, out := child(t, st, s.URL, input(b))
	<-half
	part := st.Root() + "/partial/" + input(b).SHA256
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if fi, err := os.Stat(part); err == nil && fi.Size() >= 1<<20 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the child wrote no megabyte: %s", out)
		}
	}
	cmd.Process.Kill()
	if cmd.Wait() == nil {
		t.Fatal("the child ended before it was killed")
	}
	fi, err := os.Stat(part)
	if err != nil {
		t.Fatal(err)
	}
	fetched(t, st, fetcher(t, st, s.URL), input(b), b)
	if got, want := s.asked()[1].Header.Get("Range"), fmt.Sprintf("bytes=%d-", fi.Size()); got != want {
		t.Errorf("resumed with range %q, want %q", got, want)
	}
	if _, err := os.Stat(part); err == nil {
		t.Error("the partial file is still there")
	}
}

// TestDamagedPartial: what a killed run left may be wrong; then it is thrown
// away and the file fetched whole from the same mirror.
func TestDamagedPartial(t *testing.T) {
	b := content(200000)
	s := serve(t, func(n int, w http.ResponseWriter, r *http.Request) { whole(w, r, b) })
	flipped := bytes.Clone(b)
	flipped[77] ^= 1
	for name, left := range map[string][]byte{
		"beginning": flipped[:100000],
		"whole":     flipped,
		"too long":  append(bytes.Clone(b), 1),
	} {
		t.Run(name, func(t *testing.T) {
			st := openStore(t)
			if err := os.WriteFile(st.Root()+"/partial/"+input(b).SHA256, left, 0o600); err != nil {
				t.Fatal(err)
			}
			fetched(t, st, fetcher(t, st, s.URL), input(b), b)
		})
	}
	t.Run("complete", func(t *testing.T) {
		st := openStore(t)
		if err := os.WriteFile(st.Root()+"/partial/"+input(b).SHA256, b, 0o600); err != nil {
			t.Fatal(err)
		}
		n := len(s.asked())
		fetched(t, st, fetcher(t, st, s.URL), input(b), b)
		if len(s.asked()) != n {
			t.Error("a complete partial file was asked for again")
		}
	})
}

// TestTwoProcesses want the same file at the same time: one fetches, the other
// waits and finds it.
func TestTwoProcesses(t *testing.T) {
	b := content(3 << 20)
	var running atomic.Int64
	s := serve(t, func(n int, w http.ResponseWriter, r *http.Request) {
		if running.Add(1) > 1 {
			t.Error("two downloads of the same file at once")
		}
		defer running.Add(-1)
		time.Sleep(300 * time.Millisecond)
		whole(w, r, b)
	})
	st := openStore(t)
	one, out1 := child(t, st, s.URL, input(b))
	two, out2 := child(t, st, s.URL, input(b))
	if err := one.Wait(); err != nil {
		t.Error(err, out1)
	}
	if err := two.Wait(); err != nil {
		t.Error(err, out2)
	}
	if n := len(s.asked()); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
	if err := st.Verify(hash(t, input(b))); err != nil {
		t.Error(err)
	}
}

// TestStoreDamage: a file of the wrong size is fetched again.
func TestStoreDamage(t *testing.T) {
	b := content(1000)
	s := serve(t, func(n int, w http.ResponseWriter, r *http.Request) { whole(w, r, b) })
	st := openStore(t)
	if err := os.WriteFile(st.Path(hash(t, input(b))), b[:10], 0o444); err != nil {
		t.Fatal(err)
	}
	fetched(t, st, fetcher(t, st, s.URL), input(b), b)
}

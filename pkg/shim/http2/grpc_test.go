package http2

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// plain has gRPC carry bytes as they are.
type plain struct{}

func (plain) Marshal(v any) ([]byte, error)   { return *v.(*[]byte), nil }
func (plain) Unmarshal(b []byte, v any) error { *v.(*[]byte) = bytes.Clone(b); return nil }
func (plain) Name() string                    { return "plain" }

// network is that of an address: a Unix socket's is a path.
func network(addr string) string {
	if strings.HasPrefix(addr, "/") {
		return "unix"
	}
	return "tcp"
}

// program is a gRPC server that knows nothing of a shim. waits gets nil when a
// call of /a/wait has come, and then why it has ended.
func program(t *testing.T, addr string, waits chan<- error) (net.Addr, *grpc.Server) {
	t.Helper()
	l, err := net.Listen(network(addr), addr)
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(grpc.ForceServerCodec(plain{}), grpc.MaxRecvMsgSize(64<<20), grpc.UnknownServiceHandler(func(_ any, s grpc.ServerStream) error {
		method, _ := grpc.MethodFromServerStream(s)
		in, _ := metadata.FromIncomingContext(s.Context())
		_ = s.SetHeader(metadata.Pairs("method", method, "told", strings.Join(in.Get("tell"), ","), "data-bin", "\x00\xff"))
		s.SetTrailer(metadata.Pairs("last", "word"))
		switch method {
		case "/a/fail":
			return status.Error(codes.FailedPrecondition, "no: \u00e4\n%")
		case "/a/wait":
			waits <- nil
			<-s.Context().Done()
			waits <- s.Context().Err()
			return s.Context().Err()
		}
		for {
			var b []byte
			if err := s.RecvMsg(&b); err == io.EOF {
				return nil
			} else if err != nil {
				return err
			}
			if err := s.SendMsg(&b); err != nil {
				return err
			}
		}
	}))
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	return l.Addr(), s
}

// through is a gRPC client whose calls go through a server and a client of
// this package.
func through(t *testing.T, program string) *grpc.ClientConn {
	t.Helper()
	k := dialing(t, program)
	addr, _ := listen(t, func(x message.Exchange) { answerFor(t, k, x) }, Options{})
	c, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(plain{}), grpc.MaxCallRecvMsgSize(64<<20)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func dialing(t *testing.T, addr string) *Client {
	noLeaks(t)
	k := &Client{Dial: func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network(addr), addr)
	}}
	t.Cleanup(k.Close)
	return k
}

// answerFor has k answer, or says why not, as the shim does.
func answerFor(t *testing.T, k message.Backend, x message.Exchange) {
	err := k.Do(x)
	var f *message.Failure
	if errors.As(err, &f) {
		message.Answer(x, f.Status, nil, f.JSON())
	} else if err != nil && !errors.Is(err, message.ErrAborted) {
		t.Error(err)
	}
}

func TestGRPC(t *testing.T) {
	waits := make(chan error, 1)
	addr, _ := program(t, "127.0.0.1:0", waits)
	c := through(t, addr.String())
	both := &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}

	t.Run("unary", func(t *testing.T) {
		var head, trailer metadata.MD
		ctx := metadata.AppendToOutgoingContext(t.Context(), "tell", "me")
		in, out := []byte("hello"), []byte(nil)
		if err := c.Invoke(ctx, "/a/b", &in, &out, grpc.Header(&head), grpc.Trailer(&trailer)); err != nil {
			t.Fatal(err)
		}
		if string(out) != "hello" || fmt.Sprint(head.Get("method"), head.Get("told"), trailer.Get("last")) != "[/a/b] [me] [word]" || head.Get("data-bin")[0] != "\x00\xff" {
			t.Errorf("%q %v %v", out, head, trailer)
		}
	})
	t.Run("failure", func(t *testing.T) {
		in, out := []byte("hello"), []byte(nil)
		var trailer metadata.MD
		err := c.Invoke(t.Context(), "/a/fail", &in, &out, grpc.Trailer(&trailer))
		if s := status.Convert(err); s.Code() != codes.FailedPrecondition || s.Message() != "no: \u00e4\n%" || len(trailer.Get("last")) != 1 {
			t.Errorf("%v %v", s, trailer)
		}
	})
	t.Run("conversation", func(t *testing.T) {
		s, err := c.NewStream(t.Context(), both, "/a/b")
		if err != nil {
			t.Fatal(err)
		}
		for i := range 200 {
			in, out := fmt.Appendf(nil, "message %d", i), []byte(nil)
			if err := s.SendMsg(&in); err != nil {
				t.Fatal(err)
			}
			if err := s.RecvMsg(&out); err != nil || !bytes.Equal(in, out) {
				t.Fatalf("%q %v", out, err)
			}
		}
		_ = s.CloseSend()
		var out []byte
		if err := s.RecvMsg(&out); err != io.EOF || s.Trailer().Get("last")[0] != "word" {
			t.Errorf("%v %v", err, s.Trailer())
		}
	})
	t.Run("large", func(t *testing.T) {
		in, out := bytes.Repeat([]byte("0123456789abcdef"), 2<<20), []byte(nil)
		if err := c.Invoke(t.Context(), "/a/b", &in, &out); err != nil || !bytes.Equal(in, out) {
			t.Errorf("%d bytes: %v", len(out), err)
		}
	})
	t.Run("concurrent", func(t *testing.T) {
		var all sync.WaitGroup
		for i := range 100 {
			all.Go(func() {
				for j := range 10 {
					in, out := bytes.Repeat(fmt.Appendf(nil, "%d-%d ", i, j), 1+i*j*3), []byte(nil)
					if err := c.Invoke(t.Context(), "/a/b", &in, &out); err != nil || !bytes.Equal(in, out) {
						t.Errorf("%d of %d bytes: %v", len(out), len(in), err)
					}
				}
			})
		}
		all.Wait()
	})
	t.Run("cancel", func(t *testing.T) {
		// Not by a deadline: the program would hear of that, too, and might
		// be the first to end the call.
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-waits; cancel() }()
		in, out := []byte("hello"), []byte(nil)
		if err := c.Invoke(ctx, "/a/wait", &in, &out); status.Code(err) != codes.Canceled {
			t.Error(err)
		}
		select {
		case <-waits:
		case <-time.After(30 * time.Second):
			t.Error("the program was not told")
		}
	})
}

// TestProgramRestarts: the program ends, and later listens again, where nobody
// else can have listened meanwhile.
func TestProgramRestarts(t *testing.T) {
	addr, first := program(t, t.TempDir()+"/s", nil)
	c := through(t, addr.String())
	call := func() error {
		in, out := []byte("hello"), []byte(nil)
		return c.Invoke(t.Context(), "/a/b", &in, &out)
	}
	if err := call(); err != nil {
		t.Fatal(err)
	}
	first.Stop()
	if err := call(); status.Code(err) != codes.Unavailable {
		t.Errorf("without a program: %v", err)
	}
	program(t, addr.String(), nil)
	for range 3 {
		if err := call(); err != nil {
			t.Error(err)
		}
	}
}

// TestProgramGoesAway: a graceful end of the program's connections loses no
// call.
func TestProgramGoesAway(t *testing.T) {
	addr, first := program(t, t.TempDir()+"/s", nil)
	c := through(t, addr.String())
	s, err := c.NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/a/b")
	if err != nil {
		t.Fatal(err)
	}
	in, out := []byte("hello"), []byte(nil)
	_ = s.SendMsg(&in)
	if err := s.RecvMsg(&out); err != nil {
		t.Fatal(err)
	}
	go first.GracefulStop()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) { // until its socket is free
		if _, err := os.Lstat(addr.String()); err != nil {
			break
		} else if time.Now().After(deadline) {
			t.Fatal("the program still listens")
		}
	}
	program(t, addr.String(), nil)
	if err := c.Invoke(t.Context(), "/a/b", &in, &out); err != nil {
		t.Error(err)
	}
	if err := s.SendMsg(&in); err != nil {
		t.Error(err)
	}
	if err := s.RecvMsg(&out); err != nil {
		t.Error(err)
	}
	_ = s.CloseSend()
	if err := s.RecvMsg(&out); err != io.EOF {
		t.Error(err)
	}
}

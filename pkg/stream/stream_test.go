package stream

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestLimit(t *testing.T) {
	tooMuch := errors.New("too much")
	for _, limit := range []int64{0, 1, 4, 5, 6, 100} {
		for name, r := range map[string]io.Reader{
			"whole":    strings.NewReader("12345"),
			"by bytes": iotest.OneByteReader(strings.NewReader("12345")),
			"with end": iotest.DataErrReader(strings.NewReader("12345")),
		} {
			l := Limit(r, limit, tooMuch)
			got, err := io.ReadAll(l)
			want, wantErr := "12345", error(nil)
			if limit < 5 {
				want, wantErr = want[:limit], tooMuch
			}
			if string(got) != want || err != wantErr {
				t.Errorf("limit %d, %s: %q, %v", limit, name, got, err)
			}
			if n, err := l.Read(make([]byte, 1)); limit < 5 && (n != 0 || err != tooMuch) {
				t.Errorf("limit %d, %s, read again: %d, %v", limit, name, n, err)
			}
		}
	}
}

func TestUntil(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	r := Until(ctx, strings.NewReader("12345"))
	if n, err := r.Read(make([]byte, 2)); n != 2 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	why := errors.New("why")
	cancel(why)
	if n, err := r.Read(make([]byte, 2)); n != 0 || err != why {
		t.Errorf("%d, %v", n, err)
	}
}

package layer

import (
	"archive/tar"
	"strings"
	"testing"
	"time"
)

func TestHide(t *testing.T) {
	at := time.Unix(1_000_000_000, 999)
	l, err := Build(newStore(t), Gzip, func(w Sink) error { return Hide(w, "etc/passwd", at) })
	if err != nil {
		t.Fatal(err)
	}
	r, err := l.Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	entries := tar.NewReader(r)
	if h, err := entries.Next(); err != nil || h.Name != "etc/" {
		t.Errorf("got %+v, %v", h, err)
	}
	if h, err := entries.Next(); err != nil || h.Name != "etc/.wh.passwd" || h.Size != 0 || !h.ModTime.Equal(at.Truncate(time.Second)) {
		t.Errorf("got %+v, %v", h, err)
	}
	for _, bad := range []string{"", ".", "/etc", "a/..", "../a", "etc/.wh.a", ".wh..wh..opq", "a//b", "a\x00b"} {
		if _, err := Build(newStore(t), Gzip, func(w Sink) error { return Hide(w, bad, at) }); err == nil {
			t.Errorf("%q was hidden", bad)
		}
	}
	_, err = Build(newStore(t), Gzip, func(w Sink) error {
		if err := w.Add(&tar.Header{Name: "a", Typeflag: tar.TypeReg}, nil); err != nil {
			return err
		}
		return Hide(w, "a", at)
	})
	if err == nil || !strings.Contains(err.Error(), "hidden in the layer that has it") {
		t.Errorf("got %v", err)
	}
	if err := Hide(nil, "a", at); err == nil {
		t.Error("a sink of others hides nothing")
	}
}

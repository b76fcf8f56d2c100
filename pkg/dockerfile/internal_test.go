package dockerfile

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/buildkit"
	"github.com/imgbuild/imgbuild/pkg/source"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// entry is a file of an archive; with a link it is that.
type entry struct{ name, text, link string }

func archive(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Mode: 0o644, Size: int64(len(e.text)), Typeflag: tar.TypeReg}
		if e.link != "" {
			h.Typeflag, h.Linkname = tar.TypeSymlink, e.link
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(e.text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func configOf(layers ...string) string {
	var ids []string
	for _, l := range layers {
		ids = append(ids, fmt.Sprintf(`"sha256:%x"`, sha256.Sum256([]byte(l))))
	}
	return `{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[` + strings.Join(ids, ",") + `]},"docker_version":"20.10"}`
}

// What Docker saves becomes an image of the store, whole, or nothing.
func TestSaved(t *testing.T) {
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w := &work{store: st}
	keep := func(data []byte) (v1.Hash, error) {
		s, err := openSaved(t.Context(), st, bytes.NewReader(data))
		if err != nil {
			return v1.Hash{}, err
		}
		defer s.close()
		return w.keep(s)
	}
	manifest := `[{"Config":"c.json","RepoTags":null,"Layers":["a/layer.tar","b/layer.tar"]}]`
	h, err := keep(archive(t,
		entry{"a/layer.tar", "first", ""}, entry{"b/layer.tar", "", "../x/layer.tar"}, entry{"x/layer.tar", "second", ""},
		entry{"c.json", configOf("first", "second"), ""}, entry{"manifest.json", manifest, ""}))
	if err != nil {
		t.Fatal(err)
	}
	s, err := source.Kept(t.Context(), st, h)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := s.Image.RawConfigFile()
	if err != nil || string(raw) != configOf("first", "second") {
		t.Errorf("config %s, %v", raw, err)
	}
	if layers, err := s.Image.Layers(); err != nil || len(layers) != 2 {
		t.Errorf("%d layers, %v", len(layers), err)
	}

	for want, data := range map[string][]byte{
		"lacks manifest.json":    archive(t, entry{"a", "a", ""}),
		"the archive has 2":      archive(t, entry{"manifest.json", `[{},{}]`, ""}),
		"manifest.json: ":        archive(t, entry{"manifest.json", `{`, ""}),
		"lacks c.json":           archive(t, entry{"manifest.json", manifest, ""}),
		"it has 2 layers, and 1": archive(t, entry{"manifest.json", manifest, ""}, entry{"c.json", configOf("first"), ""}),
		"lacks b/layer.tar":      archive(t, entry{"manifest.json", manifest, ""}, entry{"c.json", configOf("first", "other"), ""}, entry{"a/layer.tar", "first", ""}),
		"it has the diffID":      archive(t, entry{"manifest.json", manifest, ""}, entry{"c.json", configOf("first", "other"), ""}, entry{"a/layer.tar", "first", ""}, entry{"b/layer.tar", "wrong", ""}),
		"unexpected EOF":         archive(t, entry{"manifest.json", manifest, ""})[:550],
	} {
		if _, err := keep(data); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// That a Dockerfile was not read here is told, unless the builder says the same.
func TestUnread(t *testing.T) {
	for text, failed := range map[string]error{
		"FROM scratch\nNEWER words\n": nil,
		"FROM scratch\nNEWER them\n":  errors.New("the base is nowhere"),
		"FROM scratch\nWRONG\n":       errors.New("dockerfile parse error on line 2: unknown instruction: WRONG"),
		"FROM scratch\n":              nil,
	} {
		var told []error
		b := &Build{Dockerfile: []byte(text), Platforms: []string{"linux/amd64"}, Unread: func(err error) { told = append(told, err) }}
		w := &work{Build: b, builder: &buildkit.Builder{Platforms: b.Platforms}}
		if err := w.read(); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		w.tellUnread(failed)
		if want := strings.Contains(text, "NEWER"); (len(told) == 1) != want || want && !strings.Contains(told[0].Error(), "NEWER") {
			t.Errorf("%q: told %v", text, told)
		}
		if w.plan == nil || w.unread != nil && w.plan.Final != (Origin{}) {
			t.Errorf("%q: the plan is %+v", text, w.plan)
		}
	}
}

func FuzzSaved(f *testing.F) {
	f.Add(archive(f, entry{"manifest.json", `[{"Config":"c.json","Layers":["l"]}]`, ""}, entry{"c.json", configOf("x"), ""}, entry{"l", "x", ""}))
	f.Add(archive(f, entry{"manifest.json", "", "manifest.json"}))
	st, err := store.Open(f.TempDir())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := openSaved(t.Context(), st, bytes.NewReader(data))
		if err != nil {
			return
		}
		defer s.close()
		_, _ = (&work{store: st}).keep(s)
	})
}

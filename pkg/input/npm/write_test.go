package npm

import (
	"archive/tar"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/input/inputtest"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/store"
)

func equal[T any](t *testing.T, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// put stores a tarball as a lock would name it.
func put(t *testing.T, st *store.Store, b []byte) lock.Input {
	t.Helper()
	w, err := st.Create()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Discard()
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	h, err := w.Commit(v1.Hash{})
	if err != nil {
		t.Fatal(err)
	}
	return lock.Input{Name: "tool", Version: "1.2.3", SHA256: h.Hex, Size: int64(len(b))}
}

func tool(t *testing.T) []byte {
	return tgz(t,
		tar.Header{Name: "package/package.json", Size: 20, Mode: 0o600, Uid: 1000, Gid: 1000, Uname: "me"},
		tar.Header{Name: "package/bin/", Typeflag: tar.TypeDir, Mode: 0o700},
		tar.Header{Name: "package/bin/tool", Size: 10, Mode: 0o4775},
		tar.Header{Name: "package/lib/cli.js", Size: 30, Mode: 0o640, ModTime: time.Date(2020, 1, 2, 3, 4, 5, 600, time.UTC)},
		tar.Header{Name: "package/lib/deep/a.map", Size: 1},
		tar.Header{Name: "package/share/man/man1/tool.1", Size: 5},
		tar.Header{Name: "package/README.md", Size: 5, ModTime: time.Unix(-5, 0)},
	)
}

func TestWrite(t *testing.T) {
	for name, p := range map[string]definition.NPMPackage{
		"all": {To: "/usr/local"},
		"some": {
			To:      "/usr/local/lib/node_modules/tool/",
			Exclude: []string{"**/*.map", "share/**", "*.md"},
			Links: map[string]string{
				"/usr/local/bin/tool":  "../lib/node_modules/tool/lib/cli.js",
				"/usr/local/bin/tool2": "/usr/local/lib/node_modules/tool/bin/tool",
				"alias":                "package.json",
			},
		},
		"include": {To: "/", Include: []string{"bin/tool", "lib/**/*.map"}},
	} {
		t.Run(name, func(t *testing.T) {
			st := inputtest.Store(t)
			var sink inputtest.Sink
			if err := Write(t.Context(), &sink, st, put(t, st, tool(t)), p); err != nil {
				t.Fatal(err)
			}
			inputtest.Golden(t, "write-"+name+".txt", sink.String())
		})
	}
}

func TestWriteRefuses(t *testing.T) {
	stop, cancel := context.WithCancelCause(context.Background())
	stopped := errors.New("stopped by the test")
	cancel(stopped)
	for name, tc := range map[string]struct {
		ctx     context.Context
		archive []byte
		p       definition.NPMPackage
		want    string
	}{
		"include of nothing": {t.Context(), tool(t), definition.NPMPackage{To: "/x", Include: []string{"bin/*", "lib/none"}}, `["lib/none"]`},
		"bad include":        {t.Context(), tool(t), definition.NPMPackage{To: "/x", Include: []string{"[a"}}, "not a valid"},
		"bad exclude":        {t.Context(), tool(t), definition.NPMPackage{To: "/x", Exclude: []string{"{a"}}, "not a valid"},
		"relative folder":    {t.Context(), tool(t), definition.NPMPackage{To: "x"}, "absolute"},
		"link over a file":   {t.Context(), tool(t), definition.NPMPackage{To: "/x", Links: map[string]string{"bin/tool": "y"}}, "twice"},
		"hostile":            {t.Context(), tgz(t, tar.Header{Name: "package/../../x", Size: 1}), definition.NPMPackage{To: "/x"}, "no path"},
		"cancelled":          {stop, tool(t), definition.NPMPackage{To: "/x"}, stopped.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			st := inputtest.Store(t)
			err := Write(tc.ctx, &inputtest.Sink{}, st, put(t, st, tc.archive), tc.p)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error with %q", err, tc.want)
			}
		})
	}
}

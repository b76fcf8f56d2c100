package catalogue

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/imgbuild/imgbuild/pkg/release"
)

const attack = `"'><script>alert(1)</script><img src=x onerror=alert(2)>{{.Policy}}</style></title><!--`

// poison puts text into every string that a value has.
func poison(v reflect.Value, text string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text + v.String())
	case reflect.Pointer:
		if !v.IsNil() {
			poison(v.Elem(), text)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			poison(v.Field(i), text)
		}
	case reflect.Slice:
		for i := range v.Len() {
			poison(v.Index(i), text)
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			e := reflect.New(v.Type().Elem()).Elem()
			e.Set(v.MapIndex(k))
			poison(e, text)
			v.SetMapIndex(k, e)
			if v.Type().Key().Kind() == reflect.String {
				v.SetMapIndex(k, reflect.Value{})
				v.SetMapIndex(reflect.ValueOf(text+k.String()), e)
			}
		}
	}
}

// poisoned is a report that means harm in each of its strings.
func poisoned(text string) *release.Report {
	r := smallReport()
	poison(reflect.ValueOf(r), text)
	// The form of references is checked, so these fit the poisoned registry.
	for i := range r.Images {
		img := &r.Images[i]
		img.Digest = strings.ReplaceAll(img.Digest, "@", "")
		clear(img.References)
		for _, region := range r.Regions {
			img.References[region.Name] = region.Registry + "/" + strings.ReplaceAll(img.Name, "@", "") + ":" + img.Tag + "@" + img.Digest
		}
	}
	return r
}

// A page has the same elements with the same attributes whatever the texts
// are: nothing of them becomes markup. All else stays the same, so this finds
// more than a search for known attacks.
func TestHostileTexts(t *testing.T) {
	plain, err := render(poisoned("plain text "))
	if err != nil {
		t.Fatal(err)
	}
	hostile, err := render(poisoned(attack))
	if err != nil {
		t.Fatal(err)
	}
	if len(plain) != len(hostile) {
		t.Fatalf("%d files and %d", len(plain), len(hostile))
	}
	pages := 0
	for i := range plain {
		if filepath.Ext(hostile[i].path) != ".html" {
			continue
		}
		pages++
		if strings.Trim(hostile[i].path, "abcdefghijklmnopqrstuvwxyz0123456789-._/") != "" || strings.Contains(hostile[i].path, "..") {
			t.Errorf("a file is named %s", hostile[i].path)
		}
		a, b := shape(t, plain[i].data), shape(t, hostile[i].data)
		if a != b {
			t.Errorf("%s has other elements than with plain text:\n%s", hostile[i].path, firstDifference(a, b))
		}
	}
	if pages != 4 {
		t.Errorf("%d pages were compared", pages)
	}
}

func shape(t *testing.T, page []byte) string {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(string(page)))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for n := range doc.Descendants() {
		if n.Type == html.ElementNode {
			fmt.Fprintf(&b, "<%s", n.Data)
			for _, a := range n.Attr {
				fmt.Fprintf(&b, " %s", a.Key)
				if a.Key == "content" || a.Key == "class" || a.Key == "src" {
					fmt.Fprintf(&b, "=%s", a.Val)
				}
				if (a.Key == "href" || a.Key == "src") && strings.Contains(strings.ToLower(a.Val), "script:") {
					t.Errorf("%s=%s", a.Key, a.Val)
				}
			}
			b.WriteString(">\n")
		}
		if n.Type == html.CommentNode {
			fmt.Fprintf(&b, "<!--%s-->\n", n.Data)
		}
	}
	return b.String()
}

func firstDifference(a, b string) string {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return x[i] + "\n" + y[i]
		}
	}
	return "one is longer"
}

// The names of images are no way out of the folder, and two images whose names
// come to the same file get two.
func TestNamesOfFiles(t *testing.T) {
	r := smallReport()
	img := r.Images[0]
	img.References = nil
	r.Images = nil
	for _, tag := range []string{"../../../evil", "a/b", "a\\b", "a b", strings.Repeat("x", 300), "", "镜像"} {
		i := img
		i.Tag = tag
		r.Images = append(r.Images, i)
	}
	parent := t.TempDir()
	dir := filepath.Join(parent, "site")
	if err := Write(t.Context(), dir, r); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(parent)
	if err != nil || len(entries) != 1 {
		t.Errorf("beside the folder there is %v, %v", entries, err)
	}
	pages, err := fs.Glob(os.DirFS(dir), "images/*.html")
	if err != nil || len(pages) != len(r.Images) {
		t.Errorf("%d images have %d pages: %q", len(r.Images), len(pages), pages)
	}
}

// A report that contradicts itself is no page with a line that does not work.
func TestReferencesThatDoNotFit(t *testing.T) {
	for name, reference := range map[string]string{
		"another registry": "elsewhere.example.com/base/golang:1.27@" + digest,
		"another digest":   "registry.example.com/base/golang:1.27@sha256:ffff",
		"no digest":        "registry.example.com/base/golang:1.27",
		"no tag":           "registry.example.com/base/golang@" + digest,
		"another path":     "registry.example.com/base/gopher:1.27@" + digest,
	} {
		r := smallReport()
		r.Images[0].References["registry.example.com/base"] = reference
		dir := filepath.Join(t.TempDir(), "site")
		err := Write(t.Context(), dir, r)
		if err == nil || !strings.Contains(err.Error(), "golang:1.27: ") {
			t.Errorf("%s: error %v", name, err)
		}
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%s: something was written", name)
		}
	}
}

package catalogue

import (
	"bytes"
	"encoding/json"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/release"
)

var update = flag.Bool("update", false, "write golden files anew")

// theReport is that of a release of real images.
func theReport(t testing.TB) *release.Report {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "release.json"))
	if err != nil {
		t.Fatal(err)
	}
	r := new(release.Report)
	if err := json.Unmarshal(data, r); err != nil {
		t.Fatal(err)
	}
	return r
}

// written is a folder with the catalogue of theReport.
func written(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := Write(t.Context(), dir, theReport(t)); err != nil {
		t.Fatal(err)
	}
	return dir
}

const digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// smallReport has one of everything.
func smallReport() *release.Report {
	attached := map[string]release.Attachment{"signature": {Tag: "sha256-0123.sig", Digest: digest, MediaType: "application/x-signature"}}
	return &release.Report{
		Schema: release.ReportSchema, Name: "Images of a team", ImgbuildVersion: "1.2.3",
		PublicKey: "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
		Regions: []release.Destination{
			{Name: "cn-hangzhou", Registry: "registry.cn-hangzhou.aliyuncs.com/team", VPC: "registry-vpc.cn-hangzhou.aliyuncs.com/team"},
			{Name: "registry.example.com/base", Registry: "registry.example.com/base"},
		},
		Images: []release.Image{{
			Name: "golang", Title: "Go for functions", Description: "Debian & Go.", Version: "1.27.3", Series: "1.27", Variant: "full",
			Tags: []string{"1.27.3", "1.27"}, Tag: "1.27", Digest: digest, Created: "2026-10-19T22:20:36Z",
			Platforms: []release.Platform{
				{Platform: "linux/amd64", Digest: digest, Size: 85110336, Unpacked: 247953830,
					Layers:   []release.Layer{{Name: "os", Digest: digest, DiffID: digest, Size: 30000000}},
					Packages: []release.Package{{Name: "bash", Version: "5.2", License: "GPL-3.0-or-later"}, {Name: "only-amd64", Version: "1", License: "NOASSERTION"}},
					Proof:    release.Proof{Status: "passed", Rules: 61, Skipped: map[string]string{"b.rule": "no reason", "a.rule": "no HTTP/2"}}, Attachments: attached},
				{Platform: "linux/arm64", Digest: digest, Size: 900, Packages: []release.Package{{Name: "bash", Version: "5.2", License: "GPL-3.0-or-later"}},
					Proof: release.Proof{Status: "skipped", Reason: "no emulator"}},
			},
			References: map[string]string{"cn-hangzhou": "registry.cn-hangzhou.aliyuncs.com/team/golang:1.27@" + digest, "registry.example.com/base": "registry.example.com/base/golang:1.27@" + digest},
			Kept:       map[string][]string{"registry.example.com/base": {"1.27.3", "1.27"}},
			Changes: &release.Changes{FromVersion: "1.27.2", FromDigest: digest,
				Packages: []lock.Change{
					{Kind: lock.ChangeVersion, Name: "1.27", From: "1.27.2", To: "1.27.3"},
					{Kind: lock.ChangePackage, Name: "bash", From: "5.1", To: "5.2", Origin: "trixie"},
					{Kind: lock.ChangePackage, Name: "new-one", To: "1", Origin: "trixie"},
					{Kind: lock.ChangePackage, Name: "old-one", From: "1", Origin: "trixie"},
				},
				Sizes: map[string][2]int64{"linux/arm64": {1000, 900}, "linux/amd64": {85000000, 85110336}}},
		}},
	}
}

func TestGolden(t *testing.T) {
	files, err := render(smallReport())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		golden := filepath.Join("testdata", "golden", filepath.FromSlash(f.path))
		if *update {
			if err := os.MkdirAll(filepath.Dir(golden), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(golden, f.data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(f.data, want) {
			t.Errorf("%s is another than the golden file; go test -update, then read the diff", f.path)
		}
	}
	if last := files[len(files)-1].path; last != "index.html" {
		t.Errorf("%s is written last, not the index", last)
	}
}

// What people look for is there, in both languages, without any JavaScript.
func TestWhatIsThere(t *testing.T) {
	dir := written(t)
	for path, want := range map[string][]string{
		"index.html":                 {"Base images of your team", "golang:1.27-slim", "85.1 MB linux/amd64", "FROM registry.cn-hangzhou.aliyuncs.com/your-team/golang:1.27 ", "7 changes since 1.27.2", "Go for Function Compute"},
		"zh/index.html":              {"golang:1.27-slim", "与 1.27.2 相比有 7 处变更", "2 个平台中有 1 个已验证运行约定"},
		"images/golang-1.27.html":    {"FROM registry-vpc.cn-hangzhou.aliyuncs.com/your-team/golang:1.27", "libssl3t64", "BSD-3-Clause", "75 packages", "3.5.1-1+deb13u1", "61 rules kept", "http.h2c.prior-knowledge", "imgbuild verify registry", "cosign verify --key", "BEGIN PUBLIC KEY", ".sig", "248.0 MB"},
		"images/node-24.html":        {"Tags left at an earlier image: 24.21.0, 24"},
		"zh/images/golang-1.27.html": {"75 个软件包", "写入 Dockerfile", "校验签名", "软件物料清单"},
		"images/node-24-slim.html":   {"Unchanged: the release before had the same image."},
		"images/golang-1.26.html":    {"New: there was no image of this kind before."},
	} {
		got := text(t, filepath.Join(dir, path))
		for _, w := range want {
			if !strings.Contains(got, strings.TrimSpace(w)) {
				t.Errorf("%s has no %q", path, w)
			}
		}
	}
	report := new(release.Report)
	data, err := os.ReadFile(filepath.Join(dir, "release.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, report); err != nil || !reflect.DeepEqual(report, theReport(t)) {
		t.Errorf("release.json is not the report (%v)", err)
	}
	key, _ := os.ReadFile(filepath.Join(dir, "cosign.pub"))
	if string(key) != report.PublicKey {
		t.Errorf("cosign.pub is %q", key)
	}
}

// text is what a reader of the page gets, without the script.
func text(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	doc, err := html.Parse(f)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for n := range doc.Descendants() {
		if n.Type == html.TextNode && n.Parent.Data != "script" && n.Parent.Data != "style" {
			b.WriteString(n.Data)
		}
	}
	return regexp.MustCompile(`\s+`).ReplaceAllString(b.String(), " ")
}

// All links within the catalogue lead to a file, and to an element in it.
func TestLinks(t *testing.T) {
	dir := written(t)
	checked := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".html" {
			return err
		}
		for _, link := range attributes(t, path, "href") {
			target, anchor, _ := strings.Cut(link, "#")
			if strings.HasPrefix(target, "data:") {
				continue
			}
			checked++
			at := path
			if target != "" {
				at = filepath.Join(filepath.Dir(path), filepath.FromSlash(target))
			}
			if _, err := os.Stat(at); err != nil {
				t.Errorf("%s: %v", path, err)
			} else if anchor != "" && !slices.Contains(attributes(t, at, "id"), anchor) {
				t.Errorf("%s links to %s, which has no such element", path, link)
			}
		}
		ids := attributes(t, path, "id")
		slices.Sort(ids)
		if len(slices.Compact(slices.Clone(ids))) != len(ids) {
			t.Errorf("%s has an id twice: %q", path, ids)
		}
		return nil
	})
	if err != nil || checked < 80 {
		t.Errorf("%d links were checked, %v", checked, err)
	}
}

func attributes(t *testing.T, path, name string) []string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	doc, err := html.Parse(f)
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	for n := range doc.Descendants() {
		for _, a := range n.Attr {
			if a.Key == name {
				values = append(values, a.Val)
			}
		}
	}
	return values
}

// No text is missing in any language, and formats take the same arguments.
func TestWords(t *testing.T) {
	verb := regexp.MustCompile(`%(\[\d\])?[ds]`)
	en := reflect.ValueOf(english)
	zh := reflect.ValueOf(chinese)
	for i := range en.NumField() {
		name, a, b := en.Type().Field(i).Name, en.Field(i).String(), zh.Field(i).String()
		if a == "" || b == "" {
			t.Errorf("%s is empty in a language", name)
		}
		if len(verb.FindAllString(a, -1)) != len(verb.FindAllString(b, -1)) {
			t.Errorf("%s: %q and %q take other arguments", name, a, b)
		}
	}
}

// The pages of three images stay small; numbers are in the README.
func TestSize(t *testing.T) {
	dir := written(t)
	for path, limit := range map[string]int64{"index.html": 24_000, "images/golang-1.27.html": 48_000} {
		info, err := os.Stat(filepath.Join(dir, path))
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d bytes", path, info.Size())
		if info.Size() > limit {
			t.Errorf("%s has %d bytes, more than %d", path, info.Size(), limit)
		}
	}
	if n := len(css) + len(js); n > 14_000 {
		t.Errorf("style and script have %d bytes", n)
	}
}

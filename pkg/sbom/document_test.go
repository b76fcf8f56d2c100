package sbom

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/deb/debtest"
	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/input/inputtest"
	"github.com/imgbuild/imgbuild/pkg/lock"
)

// small is an image with one of everything.
func small(t testing.TB) testImage {
	t.Helper()
	os := debLayer(
		file("etc/os-release", "NAME=\"Debian GNU/Linux\"\nID=debian\nVERSION_ID=\"13\"\n"),
		file(dpkgStatus, "Package: hello\nStatus: install ok installed\nMaintainer: Jo Doe <jo@example.com>\nArchitecture: amd64\nSource: greetings (2.10-1)\nVersion: 2.10-1+b1\nHomepage: https://example.com/hello\n"),
		list("hello", "/bin/hello", "/bin/hi", "/usr/share/doc/hello/copyright"),
		symlink("bin", "usr/bin"), file("usr/bin/hello", "hello"), symlink("usr/bin/hi", "hello"),
		file("usr/share/doc/hello/copyright", dep5+"\nFiles: odd/*\nCopyright: them\nLicense: odd\n Do as you like.\n"),
	)(t)
	os.inputs = []lock.Input{{ID: "deb:hello@2.10-1+b1/amd64", Kind: lock.KindDebian, Name: "hello", Version: "2.10-1+b1", Archive: "debian",
		Path: "pool/main/g/greetings/hello_2.10-1+b1_amd64.deb", SHA256: strings.Repeat("3", 64), SignedBy: []string{"0123456789ABCDEF"}}}
	i := imageOf(t, os,
		npmLayer(definition.NPMPackage{Package: "@s/tool", To: "/lib/tool"}, file("lib/tool/package.json", manifestOf("@s/tool", "1.0.0")),
			file("lib/tool/node_modules/dep/package.json", manifestOf("dep", "0.1.0")))(t),
		filesLayer(file("etc/motd", "welcome"))(t),
		shimLayer(t))
	config, err := i.image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	config.Created = v1.Time{Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	config.Config.Labels = map[string]string{"org.opencontainers.image.licenses": "Apache-2.0 OR MIT"}
	if i.image, err = mutate.ConfigFile(i.image, config); err != nil {
		t.Fatal(err)
	}
	return i
}

// TestGolden: the documents of a small image, as they are published.
func TestGolden(t *testing.T) {
	doc := small(t).document(t, WithVersion("1.0.0"), noInputs(t))
	for name, write := range map[string]func(io.Writer) error{"small.spdx.json": doc.SPDX, "small.cdx.json": doc.CycloneDX} {
		b := written(t, write)
		if !bytes.Equal(b, written(t, write)) {
			t.Errorf("%s: written again it is another", name)
		}
		var indented bytes.Buffer
		if err := json.Indent(&indented, b, "", "  "); err != nil {
			t.Fatal(err)
		}
		inputtest.Golden(t, name, indented.String())
	}
	checkSPDX(t, written(t, doc.SPDX))
	bom := new(cdx.BOM)
	if err := cdx.NewBOMDecoder(bytes.NewReader(written(t, doc.CycloneDX)), cdx.BOMFileFormatJSON).Decode(bom); err != nil {
		t.Error(err)
	}
}

// TestSchemas: both documents are valid by the schemas that the two projects
// publish. syft has SPDX's with it.
func TestSchemas(t *testing.T) {
	testtool.Whole(t)
	cyclonedx := filepath.Join(moduleDir(t, ".", "github.com/CycloneDX/cyclonedx-go"), "schema")
	spdx := filepath.Join(moduleDir(t, "tools/syft", "github.com/anchore/syft"), "schema", "spdx-json", "spdx-schema-2.3.json")
	doc := small(t).document(t)
	for schema, write := range map[string]func(io.Writer) error{
		spdx: doc.SPDX,
		filepath.Join(cyclonedx, "bom-1.6.schema.json"): doc.CycloneDX,
	} {
		c := jsonschema.NewCompiler()
		c.UseLoader(beside(filepath.Dir(schema)))
		compiled, err := c.Compile("http://schema.example/" + filepath.Base(schema))
		if err != nil {
			t.Fatal(err)
		}
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(written(t, write)))
		if err != nil {
			t.Fatal(err)
		}
		if err := compiled.Validate(value); err != nil {
			t.Errorf("%s: %v", filepath.Base(schema), err)
		}
	}
}

// moduleDir is where the source of a module is, downloaded if it is not there yet.
func moduleDir(t *testing.T, from, module string) string {
	t.Helper()
	out, err := exec.Command("go", "-C", filepath.Join(testtool.ModuleRoot(), from), "mod", "download", "-json", module).Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var downloaded struct{ Dir string }
	if err := json.Unmarshal(out, &downloaded); err != nil || downloaded.Dir == "" {
		t.Fatalf("no folder of %s: %v: %s", module, err, out)
	}
	return downloaded.Dir
}

// beside loads schemas by their file's name from a folder.
type beside string

func (dir beside) Load(url string) (any, error) {
	name := url[strings.LastIndexByte(url, '/')+1:]
	f, err := os.Open(filepath.Join(string(dir), name))
	if errors.Is(err, os.ErrNotExist) {
		// The schema of signatures has another suffix there.
		f, err = os.Open(filepath.Join(string(dir), strings.TrimSuffix(name, ".schema.json")+".schemax.json"))
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return jsonschema.UnmarshalJSON(f)
}

// TestModules: what a program was compiled from is inside the package that
// the program belongs to, once for all programs.
func TestModules(t *testing.T) {
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	doc := imageOf(t, debLayer(status("a", "b"), list("a", "/usr/bin/a"), list("b", "/usr/bin/b"),
		file("usr/bin/a", string(program)), hardlink("usr/bin/b", "usr/bin/a"), file("usr/bin/broken", "\x7fELF"+string(program[4:4000])))(t)).document(t)
	for _, owner := range []string{"a", "b"} {
		inside := map[string]Package{}
		for _, i := range doc.find(t, owner).Contains {
			inside[doc.Packages[i].Name] = doc.Packages[i]
		}
		std := inside["stdlib"]
		if !strings.HasPrefix(std.Version, "go1.") || std.PURL != "pkg:golang/stdlib@"+std.Version[2:] || std.License != "BSD-3-Clause" || std.Files != 0 {
			t.Errorf("%s: the standard library is %+v", owner, std)
		}
		if m := inside[module]; m.Version != "" || m.PURL != "pkg:golang/"+module {
			t.Errorf("%s: the main module is %+v", owner, m)
		}
	}
	if got := doc.owners()["usr/bin/broken"]; got != "demo" {
		t.Errorf("a damaged program belongs to %s", got)
	}
	checkSPDX(t, written(t, doc.SPDX))
}

func TestProgramOf(t *testing.T) {
	got := programOf(&debug.BuildInfo{
		GoVersion: "go1.27.3 X:boring",
		Main:      debug.Module{Path: "example.com/main", Version: "(devel)"},
		Deps: []*debug.Module{
			{Path: "example.com/a", Version: "v1.0.0", Sum: "h1:x"},
			{Path: "example.com/b", Version: "v1.0.0", Replace: &debug.Module{Path: "example.com/fork", Version: "v1.0.1"}},
			{Path: "example.com/c", Version: "v1.0.0", Replace: &debug.Module{Path: "../c"}},
		},
	})
	var purls []string
	for _, m := range got.Modules {
		purls = append(purls, moduleOf(m).PURL)
	}
	want := []string{"pkg:golang/example.com/main", "pkg:golang/example.com/a@v1.0.0", "pkg:golang/example.com/fork@v1.0.1", "pkg:golang/example.com/c"}
	if diff := cmp.Diff(want, purls); diff != "" {
		t.Error(diff)
	}
	if p := standardLibrary(got.Go); p.Version != "go1.27.3" || p.PURL != "pkg:golang/stdlib@1.27.3" {
		t.Errorf("%+v", p)
	}
	if got := programOf(&debug.BuildInfo{GoVersion: "go1.27.3", Path: "cmd/go"}); len(got.Modules) != 0 {
		t.Errorf("%+v", got)
	}
}

// TestInputs: what the image does not tell is read from the locked inputs.
func TestInputs(t *testing.T) {
	tool := npmLayer(definition.NPMPackage{Package: "tool", To: "/usr/local", Include: []string{"bin/*"}}, file("usr/local/bin/tool", ""))(t)
	i := imageOf(t, tool)
	if p := i.document(t).find(t, "tool"); p.License != NoAssertion {
		t.Errorf("without inputs the licence is %s", p.License)
	}
	open := func(tgz []byte) Option {
		return WithInputs(func(_ context.Context, in lock.Input) (io.ReadCloser, error) {
			if in.ID != "npm:tool@1.0.0" {
				t.Errorf("opened %s", in.ID)
			}
			return io.NopCloser(bytes.NewReader(tgz)), nil
		})
	}
	p := i.document(t, open(npmTarball(t, file("package/x/package.json", "{}"), file("package/package.json", manifestOf("tool", "1.0.0"))))).find(t, "tool")
	if p.License != "ISC" {
		t.Errorf("the licence is %s", p.License)
	}
	for want, option := range map[string]Option{
		"it has no package.json":           open(npmTarball(t)),
		"its package.json is of other 1.0": open(npmTarball(t, file("package/package.json", manifestOf("other", "1.0.0")))),
		"unexpected EOF":                   open([]byte{0x1f}),
		"not in the store":                 WithInputs(func(context.Context, lock.Input) (io.ReadCloser, error) { return nil, errors.New("not in the store") }),
	} {
		if _, err := Of(t.Context(), i.image, i.d, i.l, i.locked, option); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "npm:tool@1.0.0") {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// TestCopyrightFromInput: an image without usr/share/doc has its packages'
// licences all the same.
func TestCopyrightFromInput(t *testing.T) {
	made := debtest.Deb{Name: "hello", Version: "1.0-1", Arch: "amd64", Entries: []debtest.Entry{
		debtest.Dir("./usr/", 0o755), debtest.Dir("./usr/share/", 0o755), debtest.Dir("./usr/share/doc/", 0o755), debtest.Dir("./usr/share/doc/hello/", 0o755),
		debtest.File("./usr/share/doc/hello/copyright", 0o644, dep5),
	}}.Bytes(t)
	p := debLayer(status("hello"), list("hello", "/usr/bin/hello"), file("usr/bin/hello", "x"))(t)
	p.inputs = []lock.Input{{ID: "deb:hello@1.0-1/amd64", Kind: lock.KindDebian, Name: "hello", Version: "1.0-1", SHA256: strings.Repeat("4", 64)}}
	i := imageOf(t, p)
	from := func(b []byte) Option {
		return WithInputs(func(context.Context, lock.Input) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil })
	}
	if got := i.document(t, from(made)).find(t, "hello"); got.License != "MIT" || got.Input == nil {
		t.Errorf("%+v", got)
	}
	if got := i.document(t).find(t, "hello"); got.License != NoAssertion {
		t.Errorf("without inputs: %+v", got)
	}
	if _, err := Of(t.Context(), i.image, i.d, i.l, i.locked, from([]byte("no package"))); err == nil || !strings.Contains(err.Error(), "the licence of deb:hello@1.0-1/amd64") {
		t.Errorf("got %v", err)
	}
}

// TestRootLicense: whose files the image's own are.
func TestRootLicense(t *testing.T) {
	if got := imageOf(t, debLayer()(t), shimLayer(t)).document(t).Root(); got.License != ownLicense || !strings.HasPrefix(got.PURL, "pkg:oci/demo@sha256:") {
		t.Errorf("without files of its own: %+v", got)
	}
	if got := imageOf(t, filesLayer(file("a", ""))(t)).document(t).Root(); got.License != NoAssertion {
		t.Errorf("a stranger's files: %+v", got)
	}
	if got := small(t).document(t).Root(); got.License != "Apache-2.0 OR MIT" {
		t.Errorf("by its label: %+v", got)
	}
}

// npmTarball is a package as npm packs it.
func npmTarball(t testing.TB, entries ...tar.Header) []byte {
	t.Helper()
	r, err := layerOf(t, entries...).Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.Copy(w, r); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

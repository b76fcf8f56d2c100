package sbom

import (
	"archive/tar"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"

	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/lock"
)

func debLayer(entries ...tar.Header) func(testing.TB) part {
	return func(t testing.TB) part {
		return part{Layer: definition.Layer{Name: "os", Debian: &definition.DebianLayer{Suite: "trixie"}}, blobs: []v1.Layer{layerOf(t, entries...)}}
	}
}

func filesLayer(entries ...tar.Header) func(testing.TB) part {
	return func(t testing.TB) part {
		return part{Layer: definition.Layer{Name: "files", Files: []definition.File{{Path: "/x"}}}, blobs: []v1.Layer{layerOf(t, entries...)}}
	}
}

func shimLayer(t testing.TB) part {
	return part{Layer: definition.Layer{Name: "shim", Shim: &definition.ShimLayer{}}, blobs: []v1.Layer{layerOf(t, dir("code"), file("usr/local/bin/shim", "ELF"))}}
}

func baseLayers(blobs ...v1.Layer) func(testing.TB) part {
	return func(testing.TB) part {
		ref := "registry.example.com/team/base@sha256:" + strings.Repeat("ab", 32)
		return part{Layer: definition.Layer{Name: "base", Image: &definition.ImageLayer{Ref: ref}}, blobs: blobs}
	}
}

// npmLayer is the package name@1.0.0, unpacked as d says.
func npmLayer(d definition.NPMPackage, entries ...tar.Header) func(testing.TB) part {
	return func(t testing.TB) part {
		return part{
			Layer:  definition.Layer{Name: "npm", NPM: &definition.NPMLayer{Packages: []definition.NPMPackage{d}}},
			inputs: []lock.Input{{ID: "npm:" + d.Package + "@1.0.0", Kind: lock.KindNPM, Name: d.Package, Version: "1.0.0", Archive: "npm", Path: d.Package + ".tgz", SHA256: strings.Repeat("1", 64)}},
			blobs:  []v1.Layer{layerOf(t, entries...)},
		}
	}
}

func status(packages ...string) tar.Header {
	var b strings.Builder
	for _, p := range packages {
		fmt.Fprintf(&b, "Package: %s\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.0-1\nMaintainer: Jo <jo@example.com>\n\n", p)
	}
	return file(dpkgStatus, b.String())
}

func list(pkg string, paths ...string) tar.Header {
	return file(dpkgInfo+pkg+".list", "/.\n"+strings.Join(paths, "\n")+"\n")
}

const dep5 = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nCopyright: me\nLicense: Expat\n"

func manifestOf(name, version string) string {
	return fmt.Sprintf(`{"name":%q,"version":%q,"license":"ISC"}`, name, version)
}

func TestOwners(t *testing.T) {
	for name, c := range map[string]struct {
		parts []func(testing.TB) part
		want  map[string]string // without dpkg's own files
	}{
		"files, folders, links": {
			[]func(testing.TB) part{debLayer(status("a", "b"),
				list("a", "/usr", "/usr/bin", "/usr/bin/a", "/usr/bin/link", "/usr/bin/gone"), list("b", "/usr", "/usr/bin/b", "/usr/bin/a"),
				dir("usr"), dir("usr/bin"), file("usr/bin/a", "a"), symlink("usr/bin/link", "b"), file("usr/bin/b", "b"), hardlink("usr/bin/c", "usr/bin/b"), file("etc/ld.so.cache", "x"))},
			map[string]string{"usr/bin/a": "a", "usr/bin/link": "a", "usr/bin/b": "b", "usr/bin/c": "demo", "etc/ld.so.cache": "demo"},
		},
		"hard links that the package ships": {
			[]func(testing.TB) part{debLayer(status("a"), list("a", "/usr/bin/b", "/usr/bin/c"), file("usr/bin/b", "b"), hardlink("usr/bin/c", "usr/bin/b"))},
			map[string]string{"usr/bin/b": "a", "usr/bin/c": "a"},
		},
		"usr-merge": {
			[]func(testing.TB) part{debLayer(status("a"), list("a", "/bin/sh", "/lib64/ld.so", "/bin"),
				symlink("bin", "usr/bin"), symlink("lib64", "usr/lib64"), file("usr/bin/sh", "x"), file("usr/lib64/ld.so", "x"))},
			map[string]string{"bin": "a", "usr/bin/sh": "a", "usr/lib64/ld.so": "a", "lib64": "demo"},
		},
		"diversions": {
			[]func(testing.TB) part{debLayer(status("dash", "bash"), list("dash", "/bin/sh"), list("bash", "/bin/sh"),
				file(dpkgDiversions, "/bin/sh\n/bin/sh.distrib\ndash\n"), symlink("bin", "usr/bin"), file("usr/bin/sh", "dash"), file("usr/bin/sh.distrib", "bash"))},
			map[string]string{"bin": "demo", "usr/bin/sh": "dash", "usr/bin/sh.distrib": "bash"},
		},
		"a local diversion": {
			[]func(testing.TB) part{debLayer(status("a"), list("a", "/x"), file(dpkgDiversions, "/x\n/x.real\n:\n"), file("x", "mine"), file("x.real", "a"))},
			map[string]string{"x": "demo", "x.real": "a"},
		},
		"control files are the package's, lists are dpkg's": {
			[]func(testing.TB) part{debLayer(status("a.b"), list("a.b:amd64", "/x"), file("x", ""), file(dpkgInfo+"a.b:amd64.md5sums", ""), file(dpkgInfo+"format", "1\n"))},
			map[string]string{"x": "a.b", dpkgInfo + "a.b:amd64.md5sums": "a.b", dpkgInfo + "format": "demo"},
		},
		"a later layer's file in the place of a package's": {
			[]func(testing.TB) part{debLayer(status("a"), list("a", "/etc/a", "/etc/b"), file("etc/a", "a"), file("etc/b", "b")), filesLayer(file("etc/a", "mine"))},
			map[string]string{"etc/a": "demo", "etc/b": "a"},
		},
		"a whiteout in the base": {
			[]func(testing.TB) part{baseLayers(layerOf(t, status("a"), list("a", "/a", "/b"), file("a", ""), file("b", "")), layerOf(t, file(".wh.a", ""), file("own", ""))), shimLayer},
			map[string]string{"b": "a", "own": "base", dpkgStatus: "base", "usr/local/bin/shim": module},
		},
		"distroless": {
			[]func(testing.TB) part{baseLayers(layerOf(t,
				file(dpkgStatusDir+"tz", "Package: tz\nVersion: 1\nArchitecture: all\n"), file(dpkgStatusDir+"tz.md5sums", "d41d8cd98f00b204e9800998ecf8427e  usr/share/tz\n"), file("usr/share/tz", "")))},
			map[string]string{"usr/share/tz": "tz", dpkgStatusDir + "tz": "base", dpkgStatusDir + "tz.md5sums": "base"},
		},
		"removed packages own nothing": {
			[]func(testing.TB) part{debLayer(file(dpkgStatus, "Package: a\nStatus: deinstall ok config-files\nVersion: 1\n"), list("a", "/etc/a"), file("etc/a", ""))},
			map[string]string{"etc/a": "demo"},
		},
		"npm in npm": {
			[]func(testing.TB) part{npmLayer(definition.NPMPackage{Package: "outer", To: "/lib/outer", Links: map[string]string{"/bin/outer": "../lib/outer/index.js"}},
				file("lib/outer/package.json", manifestOf("outer", "1.0.0")), file("lib/outer/index.js", ""), file("lib/outer/esm/package.json", `{"type":"module"}`), file("lib/outer/esm/i.js", ""),
				file("lib/outer/node_modules/@s/in/package.json", manifestOf("@s/in", "2.0.0")), file("lib/outer/node_modules/@s/in/i.js", ""), file("lib/outer/node_modules/.lock", ""),
				symlink("bin/outer", "../lib/outer/index.js"))},
			map[string]string{"lib/outer/package.json": "outer", "lib/outer/index.js": "outer", "lib/outer/esm/package.json": "outer", "lib/outer/esm/i.js": "outer",
				"lib/outer/node_modules/@s/in/package.json": "@s/in", "lib/outer/node_modules/@s/in/i.js": "@s/in", "lib/outer/node_modules/.lock": "outer", "bin/outer": "outer"},
		},
		"files beside an npm package": {
			[]func(testing.TB) part{npmLayer(definition.NPMPackage{Package: "p", To: "/lib/p"}, file("lib/p/package.json", manifestOf("p", "1.0.0"))), filesLayer(file("lib/p/npmrc", "mine"))},
			map[string]string{"lib/p/package.json": "p", "lib/p/npmrc": "demo"},
		},
		"an npm package without its manifest": {
			[]func(testing.TB) part{npmLayer(definition.NPMPackage{Package: "tool", To: "/usr/local", Include: []string{"bin/*", "LICENSE"}},
				file("usr/local/bin/tool", ""), file("usr/local/LICENSE", mit), file("usr/local/share/x", ""))},
			map[string]string{"usr/local/bin/tool": "tool", "usr/local/LICENSE": "tool", "usr/local/share/x": "demo"},
		},
		"an application at the root of the base": {
			[]func(testing.TB) part{baseLayers(layerOf(t, file("package.json", manifestOf("app", "1.0.0")), file("etc/x", ""), file("node_modules/d/package.json", manifestOf("d", "1.0.0")), file("node_modules/d/i.js", "")))},
			map[string]string{"package.json": "app", "etc/x": "base", "node_modules/d/package.json": "d", "node_modules/d/i.js": "d"},
		},
		"a Debian package of a Node.js program": {
			[]func(testing.TB) part{debLayer(status("node-x"), list("node-x", "/lib/x/package.json", "/lib/x/i.js"), file("lib/x/package.json", manifestOf("x", "1.0.0")), file("lib/x/i.js", ""))},
			map[string]string{"lib/x/package.json": "node-x", "lib/x/i.js": "node-x"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var parts []part
			for _, p := range c.parts {
				parts = append(parts, p(t))
			}
			doc := imageOf(t, parts...).document(t, noInputs(t))
			got := doc.owners()
			maps.DeleteFunc(got, func(p, _ string) bool {
				_, asked := c.want[p]
				return !asked && strings.HasPrefix(p, "var/lib/dpkg/")
			})
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			files := 0
			for _, p := range doc.Packages {
				files += p.Files
			}
			if files != len(doc.Files) {
				t.Errorf("the packages have %d files, the document %d", files, len(doc.Files))
			}
		})
	}
}

func TestGoToolchainOwnsItsLayer(t *testing.T) {
	in := lock.Input{ID: "go:1.2.3/linux-amd64", Kind: lock.KindGo, Name: "golang.org/toolchain", Version: "1.2.3", Archive: "go",
		Path: "golang.org/toolchain/@v/v0.0.1-go1.2.3.linux-amd64.zip", SHA256: strings.Repeat("2", 64), SignedBy: []string{"go checksum database"}}
	doc := imageOf(t, filesLayer(file("usr/local/go/go.env", "x"))(t),
		part{Layer: definition.Layer{Name: "go", Go: &definition.GoLayer{}}, inputs: []lock.Input{in}, blobs: []v1.Layer{layerOf(t, file("usr/local/go/bin/go", "x"), file("usr/local/go/LICENSE", bsd))}}).document(t)
	want := map[string]string{"usr/local/go/go.env": "demo", "usr/local/go/bin/go": "go", "usr/local/go/LICENSE": "go"}
	if diff := cmp.Diff(want, doc.owners()); diff != "" {
		t.Error(diff)
	}
	p := doc.find(t, "go")
	if p.PURL != "pkg:golang/golang.org/toolchain@v0.0.1-go1.2.3.linux-amd64" || p.License != "BSD-3-Clause" || p.Input == nil || p.Input.SHA256 != in.SHA256 || p.Files != 2 {
		t.Errorf("%+v", p)
	}
}

// An image that does not fit its definition is refused.
func TestOfRefuses(t *testing.T) {
	extra, err := random.Layer(10, "application/vnd.oci.image.layer.v1.tar")
	if err != nil {
		t.Fatal(err)
	}
	two := shimLayer(t)
	two.blobs = append(two.blobs, extra)
	for want, i := range map[string]testImage{
		"the image has 2 layers, its definition makes 1": imageOf(t, two),
		"the image has 0 layers, its definition makes 1": imageOf(t, part{Layer: definition.Layer{Name: "x", Files: []definition.File{{}}}}),
		"dpkg's status: a package without a name":        imageOf(t, debLayer(file(dpkgStatus, "Version: 1\n"))(t)),
		"dpkg's status: line 1: not a field":             imageOf(t, debLayer(file(dpkgStatus, "?\n"))(t)),
	} {
		if _, err := Of(t.Context(), i.image, i.d, i.l, i.locked); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "demo 1.2.3") {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	i := imageOf(t, shimLayer(t))
	i.locked.Variant = "other"
	if _, err := Of(t.Context(), i.image, i.d, i.l, i.locked); err == nil || !strings.Contains(err.Error(), `no variant "other"`) {
		t.Errorf("got %v", err)
	}
}

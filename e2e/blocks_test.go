package e2e

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/openapi/openapitest"
)

// heldBy are the commands that TestBlocks does not run: those that another test
// runs, which is named, and those that no test can. Of a line that ends with a …
// the part before is enough.
var heldBy = map[string]string{
	"make test": ".ci/run",

	"./imgbuild registry &": "TestEmbeddedRegistry",
	"docker build -t hello --build-arg BASE=127.0.0.1:5050/golang:1.27 examples/golang":  "TestExamplesInDocker",
	"docker run --rm -p 8080:8080 hello":                                                 "TestExamplesInDocker", // the tests' dockerd publishes no ports
	"curl localhost:8080/":                                                               "TestExamplesInDocker",
	"./imgbuild golang --all --push --registry embedded":                                 "TestEmbeddedRegistry",
	"./imgbuild golang node typescript ./examples/ruby --all --push --registry embedded": "TestEmbeddedRegistry",
	"docker build -t function …":                                                         "TestExamplesInDocker",
	"docker run --rm -p 8080:8080 function":                                              "TestExamplesInDocker",

	"imgbuild build examples/typescript --local-bases --load": "TestExamplesInBuildKit", // its npm has to be told of this machine's mirror

	"imgbuild build examples/golang --platform linux/amd64,linux/arm64 …": "it compiles on both architectures, and the tests' builder has one",

	"docker login registry.cn-hangzhou.aliyuncs.com": "it asks for a password",

	"imgbuild golang node typescript --all --engine buildkit --buildkit tcp://…": "TestBuilderDies",
	"imgbuild compare-engines --all":                                             "TestEnginesAreEqual",
	"imgbuild frontend-image --program ./imgbuild-arm64 …":                       "TestFrontendImage",

	"imgbuild release --engine buildkit --buildkit kube-pod://buildkitd-0": "it needs a cluster of Kubernetes",
	"imgbuild golang --engine buildkit --push --push-from builder …":       "TestPushFromBuilder",

	"make demo-registries &":                                       "TestRelease",
	"imgbuild release --config examples/release/release.yaml…":     "TestRelease",
	"cosign verify --key dist/release/cosign.pub …":                "TestRelease",
	"cosign verify-attestation --type slsaprovenance1 --key dist…": "TestRelease",
	"imgbuild verify 127.0.0.1:5103/base/golang:1.27 …":            "TestRelease",

	// A lock takes a minute for each image.
	"imgbuild lock":                 "TestBlocks, of one image",
	"imgbuild lock golang":          "TestBlocks, of another image",
	"imgbuild lock golang --update": "TestBlocks, of another image",
	"imgbuild lock node --update …": "TestBlocks, of another image",

	"imgbuild golang --engine buildkit --cache-to registry.example.com…":   "TestEngineCache",
	"imgbuild golang --engine buildkit --cache-from registry.example.com…": "TestEngineCache",

	"imgbuild release --config release.yaml…":      "TestRelease",
	"imgbuild verify registry…":                    "TestRelease",
	"cosign verify --key cosign.pub …":             "TestRelease",
	"cosign verify-attestation --key cosign.pub …": "TestRelease",
	"cosign generate-key-pair":                     "it asks for a password",

	"docker buildx build …": "TestFrontendInDocker",
	"buildctl build --frontend gateway.v0 --opt source=registry.example.com/base/frontend:1 …": "TestFrontendMakesTheSame",
}

// held is the entry of heldBy for a command, and who holds it; "" where
// TestBlocks runs it.
func held(line string) (entry, by string) {
	for entry, by := range heldBy {
		if start, ok := strings.CutSuffix(entry, "…"); line == entry || ok && strings.HasPrefix(line, start) {
			return entry, by
		}
	}
	return "", ""
}

// Every command that the docs show in a block is run as it is printed, in a
// folder that has what the page says the reader has, and what is shown below is
// in what it prints.
func TestBlocks(t *testing.T) {
	testtool.Whole(t)
	testtool.NeedRoot(t)
	for _, page := range pagesWithBlocks(t) {
		t.Run(page, func(t *testing.T) {
			r := newReader(t)
			r.prepare(t, page)
			for _, b := range blocksOf(t, page) {
				t.Run(fmt.Sprint(b.Line), func(t *testing.T) { r.follow(t, b, "") })
			}
		})
	}
}

// What TestBlocks leaves out is run by a test that there is, and is in the docs.
func TestHeldBlocks(t *testing.T) {
	tests := map[string]bool{}
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(readText(t, f), -1) {
			tests[m[1]] = true
		}
	}
	said := map[string]bool{}
	for _, page := range pagesWithBlocks(t) {
		for _, b := range blocksOf(t, page) {
			for _, line := range b.lines() {
				entry, _ := held(line)
				said[entry] = true
			}
		}
	}
	for known, by := range heldBy {
		if by, _, _ := strings.Cut(by, ","); strings.HasPrefix(by, "Test") && !tests[by] {
			t.Errorf("%s: there is no %s", known, by)
		}
		if !said[known] {
			t.Errorf("no page says %s", known)
		}
	}
}

// pagesWithBlocks are the English pages for users. The tutorial is another test's.
func pagesWithBlocks(t *testing.T) (pages []string) {
	t.Helper()
	root := os.DirFS(testtool.ModuleRoot())
	for _, pattern := range []string{"README.md", "docs/*.md", "examples/README.md", "examples/*/README.md", "images/*/README.md"} {
		found, err := fs.Glob(root, pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, page := range found {
			if !strings.HasSuffix(page, ".zh.md") && page != "docs/tutorial.md" && len(blocksOf(t, page)) > 0 {
				pages = append(pages, page)
			}
		}
	}
	if len(pages) < 15 {
		t.Fatalf("%q have commands; the docs have more", pages)
	}
	return pages
}

// reader follows one page.
type reader struct {
	cloud cloud
	env   []string
	// places are words of the page, each followed by what they are here.
	places []string
	// tree is a checkout of imgbuild.
	tree string
}

// newReader is one with a cloud of its own, and a namespace in it.
func newReader(t *testing.T) *reader {
	t.Helper()
	r := &reader{cloud: theCloud(t), tree: checkout(t), places: []string{"your-namespace", "team"}}
	r.env = []string{
		"PATH=" + filepath.Dir(binary) + ":" + os.Getenv("PATH"),
		"ALIBABA_CLOUD_ACCESS_KEY_ID=" + openapitest.ID, "ALIBABA_CLOUD_ACCESS_KEY_SECRET=" + openapitest.Secret,
		"DOCKER_HOST=unix://" + docker(t).Socket, "DOCKER_CONTEXT=",
		"TOKEN=a secret",
		"CGO_ENABLED=0", // as compile does, so that Go has it in its cache
	}
	r.env = append(r.env, buildKit(t).env[0])
	return r
}

// call is a call of a program in a folder, by the page's reader.
func (r *reader) call(dir string) run {
	return run{dir: dir, env: r.env}
}

// follow runs a block's commands in their order, and returns the folder that they
// end in and all that they printed. dir is where they begin; "" is the folder
// that the page's reader has.
func (r *reader) follow(t *testing.T, b block, dir string) (string, string) {
	t.Helper()
	output := ""
	here := strings.NewReplacer(r.places...)
	for i, line := range b.lines() {
		at := fmt.Sprintf("%s:%d: %s", b.page, b.Line+i, line)
		if _, by := held(line); by != "" {
			t.Logf("%s: %s", at, by)
			continue
		}
		if by := lockedOn[line]; by != "" {
			t.Logf("%s: as in %s", at, by)
			continue
		}
		if strings.HasPrefix(line, "imgbuild lock ") {
			lockedOn[line] = at
		}
		if dir == "" {
			dir = r.folder(t, b)
		}
		line = here.Replace(line)
		if args, ok := serves(line); ok {
			r.call(dir).serve(t, args...)
			continue
		}
		ends := filepath.Join(t.TempDir(), "pwd")
		call := r.call(dir)
		call.binary = "sh"
		said := call.do(t, "-ec", line+"\npwd > "+ends)
		// A function may be built anew meanwhile.
		for until := time.Now().Add(time.Minute); strings.HasPrefix(line, "curl ") && time.Now().Before(until) &&
			(said.code != 0 || lacking(said.stdout, here.Replace(b.shown)) != ""); time.Sleep(50 * time.Millisecond) {
			said = call.do(t, "-ec", line+"\npwd > "+ends)
		}
		output += said.stdout + said.stderr
		if strings.HasPrefix(line, "imgbuild lock ") && strings.Contains(said.stderr, "so what they do might be missing from the image") {
			t.Logf("%s: Debian has a new maintainer script today, which somebody has to read: %s", at, tail(said.stderr))
			continue
		}
		if said.code != 0 {
			t.Fatalf("%s: exit %d: %s", at, said.code, tail(output))
		}
		dir = strings.TrimSpace(readText(t, ends))
	}
	if lacking := lacking(output, here.Replace(b.shown)); lacking != "" {
		t.Fatalf("%s:%d: the output has no %q: %s", b.page, b.Line, lacking, tail(output))
	}
	return dir, output
}

// lockedOn has the commands that were run on another page: locks are made once, for
// they take a minute each.
var lockedOn = map[string]string{}

// serves takes a command apart that runs until it is ended. Where it names no
// port it gets a free one.
func serves(line string) (args []string, ok bool) {
	words := strings.Fields(line)
	switch {
	case strings.HasPrefix(line, "imgbuild start"):
		if !strings.Contains(line, "--port ") {
			words = append(words, "--port", "0")
		}
	case line == "imgbuild registry":
		words = append(words, "--listen", "127.0.0.1:0")
	default:
		return nil, false
	}
	return words[1:], true
}

// lacking is the first line of text that the output does not have; a … stands
// for anything.
func lacking(output, text string) string {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if !regexp.MustCompile(strings.ReplaceAll(regexp.QuoteMeta(line), "…", ".*")).MatchString(output) {
			return line
		}
	}
	return ""
}

package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/deploy/deploytest"
)

// learner follows the tutorial in one language.
type learner struct {
	language string
	label    string // of the blocks that are for this language only
	source   string // the function's file
}

var learners = []learner{
	{"golang", "Go", "main.go"},
	{"node", "Node.js", "index.js"},
	{"typescript", "TypeScript", "src/index.ts"},
}

// The tutorial is followed to the letter, in an empty folder: all its commands in
// their order, and what is shown below them is in what they print. Behind the
// names of Alibaba Cloud are a docker-registry and an API on loopback.
func TestTutorial(t *testing.T) {
	testtool.Whole(t)
	testtool.NeedRoot(t)
	testtool.Need(t, "curl", "curl")
	blocks := blocksOf(t, "docs/tutorial.md")
	for _, l := range learners {
		t.Run(l.language, func(t *testing.T) { l.follow(t, blocks) })
	}
}

func (l learner) follow(t *testing.T, blocks []block) {
	r := newReader(t)
	// As the function does, it fails where nobody is named.
	r.cloud.SetRun(func(_ string, event []byte) deploytest.Reply {
		if string(event) == `"Serverless"` {
			return deploytest.Reply{Body: "hello, Serverless"}
		}
		return deploytest.Reply{Body: "{}", Header: map[string]string{"X-Fc-Error-Type": "UnhandledInvocationError"}}
	})
	dir := t.TempDir()
	var digests []string // that were pushed
	followed := 0
	for _, b := range blocks {
		if other := strings.TrimSuffix(b.Above, ":"); other != l.label && slices.ContainsFunc(learners, func(l learner) bool { return l.label == other }) {
			continue
		}
		followed++
		if b.Text == "imgbuild start" {
			r.places = append(r.places, "http://127.0.0.1:8000/", r.call(dir).serve(t, "start", "--port", "0"))
			continue
		}
		if strings.Contains(b.Text, "hello:1.0.1 --push") { // "Change something"
			replaceIn(t, filepath.Join(dir, l.source), "good day, ", "good evening, ")
		}
		output := ""
		dir, output = r.follow(t, b, dir)
		if strings.Contains(b.Text, "--push") {
			digests = append(digests, regexp.MustCompile(`sha256:[0-9a-f]{64}`).FindString(output[strings.Index(output, "hello:1.0."):]))
		}
	}
	if followed < 15 {
		t.Errorf("%d blocks were for %s; the tutorial has more", followed, l.label)
	}
	if len(digests) != 2 || digests[0] == digests[1] || !strings.HasSuffix(r.cloud.Image("hello"), digests[0]) {
		t.Errorf("pushed %q; in the end the function has %s, not the first", digests, r.cloud.Image("hello"))
	}
}

// replaceIn edits a file.
func replaceIn(t *testing.T, path, old, text string) {
	t.Helper()
	before := readText(t, path)
	if !strings.Contains(before, old) {
		t.Fatalf("%s has no %q", path, old)
	}
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(before, old, text)), 0o644); err != nil {
		t.Fatal(err)
	}
}

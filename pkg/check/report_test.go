package check

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/pkg/input/inputtest"
	"github.com/imgbuild/imgbuild/pkg/template"
)

func reports() []Report {
	found := []template.Finding{
		{Rule: "image-digest", Severity: template.Warning, Function: "hello", File: "template.yaml", Line: 9, What: "the image is not pinned", Do: "add its digest"},
		{Rule: "port", Severity: template.Error, Function: "hello", File: "template.yaml", Line: 11, What: "the port is 9000", Do: "write 8080", Shim: true},
	}
	return []Report{
		{Subject: "hello:1", Digest: "sha256:" + strings.Repeat("0", 64), Results: []Result{
			{Rule: "platform", Status: Passed, What: "it is for linux/amd64"},
			{Rule: "ready", Status: Failed, What: "CAExited: it ended with 4", Do: "see in the log why it ended", Log: "one <line>\nand \"another\"\n", Took: 1500 * time.Millisecond},
			{Rule: "http", Status: Skipped, What: "it does not start"},
			{Rule: "hooks", Status: Noted, What: "GET /pre-stop is answered with 500", Do: "answer it with 200"},
		}},
		Template("hello", found, ""),
		Template("shop", nil, "imgbuild can make no image of shop"),
	}
}

// TestGolden: what all formats make of the same reports.
func TestGolden(t *testing.T) {
	for name, write := range map[string]func(io.Writer, []Report) error{
		"report.txt":     func(w io.Writer, r []Report) error { return Text(w, r, false) },
		"report-all.txt": func(w io.Writer, r []Report) error { return Text(w, r, true) },
		"report.xml":     JUnit,
		"report.sarif":   func(w io.Writer, r []Report) error { return SARIF(w, "1.0.0", r) },
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := write(&b, reports()); err != nil {
				t.Fatal(err)
			}
			inputtest.Golden(t, name, b.String())
		})
	}
}

// The formats say the same.
func TestFormatsAgree(t *testing.T) {
	var x, s bytes.Buffer
	if err := JUnit(&x, reports()); err != nil {
		t.Fatal(err)
	}
	if err := SARIF(&s, "1.0.0", reports()); err != nil {
		t.Fatal(err)
	}
	var suites junitSuites
	if err := xml.Unmarshal(x.Bytes(), &suites); err != nil {
		t.Fatal(err)
	}
	var log sarifLog
	if err := json.Unmarshal(s.Bytes(), &log); err != nil {
		t.Fatal(err)
	}
	failures := 0
	for _, suite := range suites.Suites {
		failures += suite.Failures
	}
	levels := 0
	for _, r := range log.Runs[0].Results {
		if r.Level == "error" {
			levels++
		}
		if rules := log.Runs[0].Tool.Driver.Rules; rules[r.RuleIndex].ID != r.RuleID {
			t.Errorf("the rule %s has the index of %s", r.RuleID, rules[r.RuleIndex].ID)
		}
	}
	if failures != 2 || levels != 2 {
		t.Errorf("%d failures in JUnit's, %d in SARIF's, want 2", failures, levels)
	}
}

// Every rule has a name of its own and says what it wants.
func TestRules(t *testing.T) {
	var names []string
	for _, r := range Rules() {
		if r.Doc == "" || slices.Contains(names, r.Name) {
			t.Errorf("the rule %q", r.Name)
		}
		names = append(names, r.Name)
	}
}

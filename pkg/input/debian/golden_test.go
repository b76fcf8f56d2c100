package debian

import (
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/imgbuild/imgbuild/pkg/lock"
)

var update = flag.Bool("update", false, "write the golden files anew")

// The excerpt has the paragraphs of trixie 13.7 (amd64, main) for the smallest
// system and the packages that could stand in for some of them, cut down to the
// fields that are read. The golden file is the result, in unpack order.
func TestResolveGolden(t *testing.T) {
	a := archiveOf(t, readFile(t, "testdata/trixie-amd64.Packages"))
	got, err := a.Resolve(request("+ apt ca-certificates tzdata"))
	if err != nil {
		t.Fatal(err)
	}
	var inputs []lock.Input
	for _, s := range got {
		inputs = append(inputs, s.Input())
	}
	b, err := json.MarshalIndent(inputs, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	b = append(b, '\n')
	const golden = "testdata/minimal.golden.json"
	if *update {
		if err := os.WriteFile(golden, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff(readFile(t, golden), string(b)); d != "" {
		t.Error(d)
	}
	checkOrder(t, a, got)
}

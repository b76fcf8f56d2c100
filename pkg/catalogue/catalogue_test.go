package catalogue

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/release"
)

// theReport is that of a release of real images, from testdata.
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

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	if d := os.Getenv("CATALOGUE_DIR"); d != "" {
		dir = d
	}
	if err := Write(t.Context(), dir, theReport(t)); err != nil {
		t.Fatal(err)
	}
}

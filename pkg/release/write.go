package release

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"

	"github.com/imgbuild/imgbuild/pkg/atomicfile"
)

// maxReport is the size in bytes that a report may have.
const maxReport = 256 << 20

func (r *Release) reportPath() string { return in(r.folder, r.c.Report) }

// writable says before all work whether the report can be written.
func (r *Release) writable() error {
	if info, err := os.Stat(in(r.folder, r.c.Catalogue)); r.c.Catalogue != "" && err == nil && !info.IsDir() {
		return fmt.Errorf("the catalogue %s is not a folder; name another one as `catalogue`", in(r.folder, r.c.Catalogue))
	}
	path := r.reportPath()
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("the report %s is not a regular file; name another one as `report`", path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("making the report's folder: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("the report %s can not be written: %w; name another place as `report`", path, err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// readReport reads the report of the release before; nil where there is none.
func (r *Release) readReport() (*Report, error) {
	f, err := os.Open(r.reportPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the report of the release before: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxReport+1))
	if err != nil {
		return nil, fmt.Errorf("reading the report of the release before: %w", err)
	}
	report := new(Report)
	if err := json.Unmarshal(data, report); err != nil || len(data) > maxReport {
		return nil, fmt.Errorf("%s is no report of a release: %v; move it away, or name another file as `report`", r.reportPath(), err)
	}
	if report.Schema != ReportSchema {
		return nil, fmt.Errorf("%s has the schema %d, this imgbuild knows %d; move it away, or use a newer imgbuild", r.reportPath(), report.Schema, ReportSchema)
	}
	return report, nil
}

// Marshal is the file of the report: the same report gives the same bytes.
func (r *Report) Marshal() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(r); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// settle takes the report before where nothing is different but that it is
// before.
func settle(report, before *Report) *Report {
	if before == nil {
		return report
	}
	now := *report
	now.Images = append([]Image(nil), report.Images...)
	if len(now.Images) != len(before.Images) {
		return report
	}
	for i := range now.Images {
		now.Images[i].Unchanged = before.Images[i].Unchanged
	}
	a, errA := now.Marshal()
	b, errB := before.Marshal()
	if errA != nil || errB != nil || !bytes.Equal(a, b) {
		return report
	}
	return before
}

// writeReport writes the report in one step and says whether the file had to
// be touched.
func (r *Release) writeReport(report, before *Report) (bool, error) {
	if reflect.DeepEqual(report, before) {
		return false, nil
	}
	data, err := report.Marshal()
	if err != nil {
		return false, err
	}
	if err := atomicfile.Write(r.reportPath(), data); err != nil {
		return false, fmt.Errorf("the images are published; writing the report %s: %w", r.reportPath(), err)
	}
	return true, nil
}

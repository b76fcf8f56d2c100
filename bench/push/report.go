package main

import (
	"fmt"
	"io"
	"time"

	"github.com/imgbuild/imgbuild/bench/internal/measure"
)

// report is the table of all comparisons.
type report struct{ rows []row }

// row is one comparison. Cells that do not apply are empty.
type row struct {
	what, asked         string
	ours, crane, skopeo string
	ratio               string // of the quicker, or more sparing, peer to ours
	met                 bool
}

func (r *report) add(w row) { r.rows = append(r.rows, w) }

func (r *report) print(w io.Writer) {
	t := measure.Table{Head: []string{"median of " + measure.Times(*runs), "asked", "imgbuild", "crane", "skopeo", "ratio", "met"}}
	for _, row := range r.rows {
		met := "yes"
		switch {
		case row.asked == "":
			met = ""
		case !row.met:
			met = "NO"
		}
		t.Add(row.what, row.asked, row.ours, row.crane, row.skopeo, row.ratio, met)
	}
	t.Print(w)
}

// percent of all.
func percent(part, all int64) string { return fmt.Sprintf("%.1f %%", 100*float64(part)/float64(all)) }

// finer is a ratio where a tenth is much.
func finer(a, b time.Duration) string { return fmt.Sprintf("%.2f×", float64(a)/float64(b)) }

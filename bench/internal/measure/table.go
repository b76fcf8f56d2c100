package measure

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"
)

// Table is a Markdown table.
type Table struct {
	Head []string
	Rows [][]string
}

// Add adds a row.
func (t *Table) Add(cells ...string) { t.Rows = append(t.Rows, cells) }

// Print writes the table. All columns but the first are numbers or close to it.
func (t *Table) Print(w io.Writer) {
	line := func(cells []string) { fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | ")) }
	line(t.Head)
	rule := []string{"---"}
	for range t.Head[1:] {
		rule = append(rule, "---:")
	}
	line(rule)
	for _, r := range t.Rows {
		line(r)
	}
	fmt.Fprintln(w)
}

// Title prints what is measured, and on what.
func Title(w io.Writer, text string) {
	load := "unknown"
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		load = strings.Join(strings.Fields(string(b))[:3], " ")
	}
	fmt.Fprintf(w, "## %s\n\n%d cores, load %s, %s\n\n", text, runtime.NumCPU(), load, runtime.Version())
}

// Time is a duration for people: 44 ms, 3.91 s.
func Time(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

// MB is a size in megabytes of 10⁶ bytes.
func MB(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

// Ratio says how many times longer theirs took than ours.
func Ratio(ours, theirs time.Duration) string {
	return fmt.Sprintf("%.1f×", float64(theirs)/float64(max(ours, 1)))
}

// Times counts runs in a heading: "1 run", "3 runs".
func Times(n int) string {
	if n == 1 {
		return "1 run"
	}
	return fmt.Sprintf("%d runs", n)
}

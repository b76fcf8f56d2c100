package check

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// marks begin the lines of a text.
var marks = map[Status]string{Passed: "ok  ", Failed: "FAIL", Warned: "warn", Noted: "note", Skipped: "skip"}

// Text writes reports for people. Rules of templates that hold are not shown,
// but with all.
func Text(w io.Writer, reports []Report, all bool) error {
	var b strings.Builder
	for n, r := range reports {
		if n > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(r.Subject)
		if r.Digest != "" {
			b.WriteString("  " + r.Digest)
		}
		b.WriteByte('\n')
		shown := slices.DeleteFunc(slices.Clone(r.Results), func(x Result) bool {
			return strings.HasPrefix(x.Rule, ofTemplate) && x.Status == Passed && !all
		})
		width := 0
		for _, x := range shown {
			width = max(width, len(x.Rule))
		}
		below := strings.Repeat(" ", len("  FAIL  ")+width+1)
		for _, x := range shown {
			fmt.Fprintf(&b, "  %s  %-*s %s\n", marks[x.Status], width, x.Rule, x.What)
			if x.File != "" && x.Status != Passed {
				fmt.Fprintf(&b, "%sin %s, line %d\n", below, x.File, x.Line)
			}
			if x.Do != "" {
				fmt.Fprintf(&b, "%s→ %s\n", below, x.Do)
			}
			for line := range strings.Lines(x.Log) {
				fmt.Fprintf(&b, "%s| %s\n", below, strings.TrimRight(line, "\r\n"))
			}
		}
		fmt.Fprintf(&b, "  %d hold, %d fail, %d warnings, %d notes, %d not tried\n", r.Count(Passed), r.Count(Failed), r.Count(Warned), r.Count(Noted), r.Count(Skipped))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

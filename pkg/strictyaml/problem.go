package strictyaml

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Problem is one thing wrong with a file.
type Problem struct {
	// Source is the file; Line and Column begin at 1 and count characters.
	Source       string
	Line, Column int
	// What is wrong, and what to Do about it.
	What, Do string
}

// String is FILE:LINE:COLUMN: what is wrong; what to do.
func (p Problem) String() string {
	return fmt.Sprintf("%s:%d:%d: %s; %s", p.Source, p.Line, p.Column, p.What, p.Do)
}

// Problems is all that is wrong with a file, in its order.
type Problems []Problem

// Error has one problem a line; beyond a hundred it only counts them.
func (p Problems) Error() string {
	const most = 100
	var lines []string
	for _, problem := range p[:min(len(p), most)] {
		lines = append(lines, problem.String())
	}
	if len(p) > most {
		lines = append(lines, fmt.Sprintf("… and %d more problems", len(p)-most))
	}
	return strings.Join(lines, "\n")
}

func (p Problems) sort() {
	slices.SortStableFunc(p, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}

// Quote is text of the file for messages, in quotes and not too long.
func Quote(s string) string { return strconv.Quote(shorten(s)) }

func shorten(s string) string {
	const most = 100
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

package definition

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Problem is one thing wrong with a definition.
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

// Problems is the error of Parse: all that is wrong, in the order of the file.
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

// quote is text of the file for messages, in quotes and not too long.
func quote(s string) string { return strconv.Quote(shorten(s)) }

func shorten(s string) string {
	const most = 100
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

func (p Problems) sort() {
	slices.SortStableFunc(p, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}

// report collects the problems of one file and knows where its values are.
type report struct {
	source   string
	problems Problems
	// at has the place of every value, by its path such as
	// /variants/0/layers/1/name; bad the values that could not be read.
	at  map[string]place
	bad map[string]bool
}

type place struct{ line, column int }

// add reports a problem with the value at path, or with the nearest value
// around it that is written in the file.
func (r *report) add(path, what, do string) {
	p := place{1, 1}
	for at := path; ; at = at[:strings.LastIndexByte(at, '/')] {
		if found, ok := r.at[at]; ok {
			p = found
			break
		}
		if at == "" {
			break
		}
	}
	r.addAt(p, what, do)
}

func (r *report) addAt(p place, what, do string) {
	r.problems = append(r.problems, Problem{r.source, p.line, p.column, what, do})
}

// has says whether the file has a value at path that could be read.
func (r *report) has(path string) bool {
	return r.written(path) && !r.bad[path]
}

// written says whether the file has a value at path, be it of the right kind or not.
func (r *report) written(path string) bool {
	_, ok := r.at[path]
	return ok
}

func (r *report) err() error {
	if len(r.problems) == 0 {
		return nil
	}
	r.problems.sort()
	return r.problems
}

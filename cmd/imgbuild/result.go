package main

import (
	"encoding/json"
	"fmt"
)

// printResults prints a reference a line, or all of it as JSON.
func (g *global) printResults(results []result) error {
	if g.json {
		if results == nil {
			results = []result{} // none, which is a list, too
		}
		return g.printJSON(results)
	}
	for _, r := range results {
		if _, err := fmt.Fprintln(g.stdout, r.Reference); err != nil {
			return err
		}
	}
	return nil
}

func (g *global) printJSON(v any) error {
	e := json.NewEncoder(g.stdout)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

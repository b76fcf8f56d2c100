package check

import (
	"maps"
	"slices"

	"github.com/imgbuild/imgbuild/pkg/template"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// severities are the statuses of what template.Lint finds.
var severities = map[template.Severity]Status{template.Error: Failed, template.Warning: Warned, template.Note: Noted}

// ofFindings are the results of the rules about templates. hasShim says whether
// the image's entrypoint is the shim, for the rules that are about it alone.
func ofFindings(found []template.Finding, hasShim bool) (results []Result) {
	broken := map[string]bool{}
	for _, f := range found {
		if f.Shim && !hasShim {
			continue
		}
		broken[f.Rule] = true
		results = append(results, Result{Rule: ofTemplate + f.Rule, Status: severities[f.Severity], What: f.What, Do: f.Do, File: f.File, Line: f.Line})
	}
	for _, name := range sortedKeys(template.Rules) {
		if !broken[name] {
			results = append(results, Result{Rule: ofTemplate + name, Status: Passed, What: template.Rules[name]})
		}
	}
	return results
}

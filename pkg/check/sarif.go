package check

import (
	"encoding/json"
	"io"
	"path/filepath"
)

// What SARIF 2.1.0 wants of a log (OASIS, sarif-v2.1.0).
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool    sarifTool     `json:"tool"`
		Results []sarifResult `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version,omitempty"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID    string    `json:"id"`
		Short sarifText `json:"shortDescription"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifResult struct {
		RuleID    string          `json:"ruleId"`
		RuleIndex int             `json:"ruleIndex"`
		Level     string          `json:"level"`
		Message   sarifText       `json:"message"`
		Locations []sarifLocation `json:"locations"`
	}
	sarifLocation struct {
		Physical *sarifPhysical `json:"physicalLocation,omitempty"`
		Logical  []sarifLogical `json:"logicalLocations,omitempty"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   sarifRegion   `json:"region"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine int `json:"startLine"`
	}
	sarifLogical struct {
		Name string `json:"fullyQualifiedName"`
		Kind string `json:"kind"`
	}
)

// levels are SARIF's words for what does not hold.
var levels = map[Status]string{Failed: "error", Warned: "warning", Noted: "note"}

// SARIF writes what does not hold as a log of SARIF 2.1.0. version is
// imgbuild's.
func SARIF(w io.Writer, version string, reports []Report) error {
	run := sarifRun{Tool: sarifTool{sarifDriver{Name: "imgbuild check", Version: version}}, Results: []sarifResult{}}
	index := map[string]int{}
	for n, r := range Rules() {
		index[r.Name] = n
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{r.Name, sarifText{r.Doc}})
	}
	for _, r := range reports {
		for _, x := range r.Results {
			level, ok := levels[x.Status]
			if !ok {
				continue
			}
			text := x.What
			if x.Do != "" {
				text += "; " + x.Do
			}
			at := sarifLocation{Logical: []sarifLogical{{r.Subject, "module"}}}
			if x.File != "" {
				at.Physical = &sarifPhysical{sarifArtifact{filepath.ToSlash(x.File)}, sarifRegion{max(x.Line, 1)}}
			}
			run.Results = append(run.Results, sarifResult{x.Rule, index[x.Rule], level, sarifText{text}, []sarifLocation{at}})
		}
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(sarifLog{"https://json.schemastore.org/sarif-2.1.0.json", "2.1.0", []sarifRun{run}})
}

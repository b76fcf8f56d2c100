package check

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

// The form that CI systems read (JUnit's XML, as Ant's junitreport writes it).
type (
	junitSuites struct {
		XMLName xml.Name     `xml:"testsuites"`
		Suites  []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Time     string      `xml:"time,attr"` // s
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		Time    string        `xml:"time,attr"`
		Failure *junitMessage `xml:"failure,omitempty"`
		Skipped *junitMessage `xml:"skipped,omitempty"`
		Out     string        `xml:"system-out,omitempty"`
	}
	junitMessage struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// JUnit writes reports as XML. Warnings and notes are output of tests that pass.
func JUnit(w io.Writer, reports []Report) error {
	var all junitSuites
	for _, r := range reports {
		s := junitSuite{Name: r.Subject, Tests: len(r.Results), Failures: r.Count(Failed), Skipped: r.Count(Skipped)}
		var total float64
		for _, x := range r.Results {
			total += x.Took.Seconds()
			c := junitCase{Class: r.Subject, Name: x.Rule, Time: fmt.Sprintf("%.3f", x.Took.Seconds())}
			switch x.Status {
			case Failed:
				c.Failure = &junitMessage{Message: x.What, Text: x.advice()}
			case Skipped:
				c.Skipped = &junitMessage{Message: x.What}
			case Warned, Noted:
				c.Out = string(x.Status) + ": " + x.What + "\n" + x.advice()
			}
			s.Cases = append(s.Cases, c)
		}
		s.Time = fmt.Sprintf("%.3f", total)
		all.Suites = append(all.Suites, s)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// advice is what to do, where, and the log.
func (r Result) advice() string {
	var lines []string
	if r.Do != "" {
		lines = append(lines, r.Do)
	}
	if r.File != "" {
		lines = append(lines, fmt.Sprintf("%s:%d", r.File, r.Line))
	}
	if r.Log != "" {
		lines = append(lines, r.Log)
	}
	return strings.Join(lines, "\n")
}

package effect

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/imgbuild/imgbuild/internal/lazyregexp"
)

// pamProfile is one file of /usr/share/pam-configs, in the format that
// pam-auth-update's specification gives: fields with continuation lines.
type pamProfile struct {
	name      string
	priority  int
	fields    map[string]string
	conflicts []string
}

var pamField = lazyregexp.New(`^(\S+):\s+(.*?)\s*$`)

// parsePAMProfile reads a profile; like the original it takes what it finds.
func parsePAMProfile(name, text string) pamProfile {
	p := pamProfile{name: name, fields: map[string]string{}}
	var field string
	for line := range strings.Lines(text) {
		// The original matches with the line's end, so that "Auth:" alone on a
		// line opens a field too.
		if m := pamField().FindStringSubmatch(line); m != nil {
			field = strings.TrimSuffix(m[1], "-Final")
			if field == "Conflicts" {
				p.conflicts = append(p.conflicts, strings.Split(m[2], ", ")...)
			} else {
				p.fields[field] = m[2]
			}
			continue
		}
		if line = strings.TrimSpace(line); line != "" && field != "" {
			p.fields[field] = strings.TrimSpace(p.fields[field] + "\n" + line)
		}
	}
	if p.fields["Session-Interactive-Only"] != "yes" {
		for _, s := range []string{"-Type", "", "-Initial"} {
			if v, ok := p.fields["Session"+s]; ok {
				p.fields["Session-noninteractive"+s] = v
			}
		}
	}
	// A profile without a number sorts as Perl's undefined value: zero.
	p.priority, _ = strconv.Atoi(p.fields["Priority"])
	return p
}

// lines returns a profile's lines for a stack; the first profile of a block
// gives its -Initial form.
func (p pamProfile) lines(kind string, first bool) string {
	if s := p.fields[kind+"-Initial"]; first && s != "" {
		return s
	}
	return p.fields[kind]
}

func pamTitle(kind string) string { return strings.ToUpper(kind[:1]) + kind[1:] }

const (
	pamPrimary    = `# here are the per-package modules (the "Primary" block)`
	pamFallback   = "# here's the fallback if no module succeeds"
	pamAdditional = `# and here are more per-package modules (the "Additional" block)`
	pamEnd        = "# end of pam-auth-update config"
)

// pamStack fills the two managed blocks of a template.
func pamStack(template, kind string, enabled []pamProfile) ([]byte, error) {
	var b bytes.Buffer
	var skipTo string
	done := 0
	for line := range strings.Lines(template) {
		if skipTo != "" {
			if !strings.HasPrefix(line, skipTo) {
				continue
			}
			skipTo = ""
			done++
		}
		b.WriteString(line)
		switch {
		case done == 0 && strings.HasPrefix(line, pamPrimary):
			pamBlock(&b, kind, "Primary", enabled)
			skipTo = pamFallback
		case done == 1 && strings.HasPrefix(line, pamAdditional):
			pamBlock(&b, kind, "Additional", enabled)
			skipTo = pamEnd
		}
	}
	if done != 2 {
		return nil, errors.New("the template has not the marks between which pam-auth-update writes")
	}
	return b.Bytes(), nil
}

var pamLine = lazyregexp.New(`^((?:\[[^\]]+\]|\w+)\s+\S+)\s*(.*)`)

// pamBlock writes the lines of one block. "end" in a line's control field
// stands for the number of lines to jump over to leave the block.
func pamBlock(b *bytes.Buffer, kind, block string, enabled []pamProfile) {
	title, stack := pamTitle(kind), strings.TrimSuffix(kind, "-noninteractive")
	var lines []string
	first := true
	for _, p := range enabled {
		if p.fields[title+"-Type"] != block {
			continue
		}
		for l := range strings.SplitSeq(p.lines(title, first), "\n") {
			if l != "" {
				lines = append(lines, l)
			}
		}
		first = false
	}
	count := len(lines)
	if block == "Additional" {
		count--
	} else if count == 0 {
		fmt.Fprintf(b, "%s\t[default=1]\t\t\tpam_permit.so\n", stack)
	}
	for _, l := range lines {
		m := pamLine().FindStringSubmatch(l)
		if m == nil {
			m = []string{l, l, ""}
		}
		fmt.Fprintf(b, "%s\t%s %s\n", stack, strings.ReplaceAll(m[1], "end", strconv.Itoa(count)), strings.Join(strings.Fields(m[2]), " "))
		count--
	}
}

// pamSaved is what pam-auth-update remembers of its choice in /var/lib/pam.
func pamSaved(kind string, enabled []pamProfile) []byte {
	var b bytes.Buffer
	title := pamTitle(kind)
	for _, block := range []string{"Primary", "Additional"} {
		first := true
		for _, p := range enabled {
			if p.fields[title+"-Type"] != block {
				continue
			}
			if l := p.lines(title, first); l != "" {
				fmt.Fprintf(&b, "Module: %s\n%s\n", p.name, l)
			}
			first = false
		}
		if block == "Primary" && first {
			b.WriteString("Module: null\n[default=1]\t\t\tpam_permit.so\n")
		}
	}
	return b.Bytes()
}

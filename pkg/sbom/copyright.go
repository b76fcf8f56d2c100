package sbom

import (
	"strings"
)

// copyright returns the licence that a Debian package's copyright file tells.
// A machine-readable one (DEP-5,
// debian.org/doc/packaging-manuals/copyright-format/1.0) becomes an SPDX
// expression in which all licences of the package's parts hold; of any other
// the whole text is one LicenseRef, called after the source package.
func (b *builder) copyright(source string, text []byte) string {
	if len(text) == 0 {
		return NoAssertion
	}
	c, ok := parseCopyright(text)
	if !ok {
		return b.ref(source+"-copyright", string(text))
	}
	var out []string
	for _, l := range c.licenses {
		out = append(out, shortNames(l, func(name string) string {
			if id, ok := spdxOf(name); ok {
				return id
			}
			body := c.texts[strings.ToLower(name)]
			if body == "" {
				body = name
			}
			return b.ref(name, body)
		}))
	}
	return all(out)
}

// machineReadable is a copyright file that a program can read.
type machineReadable struct {
	// licenses are the first lines of the License fields of all Files
	// paragraphs, each once; where there is no such paragraph, that of the
	// header, which sums up the package, or those of the licences alone.
	licenses []string
	// texts are the licences' texts by lower-case name.
	texts map[string]string
}

// parseCopyright reads a machine-readable copyright file. It is lenient where
// files in the archive are not quite right. It is false where the file is not
// of that format or names no licence.
func parseCopyright(text []byte) (machineReadable, bool) {
	c := machineReadable{texts: map[string]string{}}
	ps := paragraphs(text)
	if len(ps) == 0 {
		return c, false
	}
	first := fields(ps[0])
	if format := first["format"] + first["format-specification"]; !strings.Contains(format, "copyright-format") && !strings.Contains(format, "dep5") {
		return c, false
	}
	seen := map[string]bool{}
	var header, alone []string
	for i, p := range ps {
		f := fields(p)
		license, ok := f["license"]
		if !ok {
			continue
		}
		name, body, _ := strings.Cut(license, "\n")
		if name = oneLine(name); name == "" {
			continue
		}
		if body = unindent(body); body != "" {
			key := strings.ToLower(name)
			if c.texts[key] == "" {
				c.texts[key] = body
			}
		}
		switch _, ofFiles := f["files"]; {
		case !ofFiles && i == 0:
			header = []string{name}
		case !ofFiles:
			alone = append(alone, name)
		case !seen[name] && len(seen) < maxLicenses:
			seen[name] = true
			c.licenses = append(c.licenses, name)
		}
	}
	if len(c.licenses) == 0 {
		c.licenses = header
	}
	if len(c.licenses) == 0 {
		c.licenses = alone
	}
	return c, len(c.licenses) > 0
}

// maxLicenses bounds the licences of one package; linux has about 100.
const maxLicenses = 1000

// fields are those of a paragraph by lower-case name, continuation lines
// included. Of a field that is there twice the first counts.
func fields(paragraph []byte) map[string]string {
	out := map[string]string{}
	var value strings.Builder
	name := ""
	end := func() {
		if _, twice := out[name]; name != "" && !twice {
			out[name] = strings.TrimSpace(value.String())
		}
		value.Reset()
	}
	for line := range strings.Lines(string(paragraph)) {
		line = strings.TrimRight(line, " \t\r\n")
		switch {
		case strings.HasPrefix(line, "#"):
		case line != "" && (line[0] == ' ' || line[0] == '\t'):
			value.WriteString("\n" + line)
		default:
			end()
			key, rest, ok := strings.Cut(line, ":")
			if name = strings.ToLower(key); !ok {
				name = ""
			}
			value.WriteString(strings.TrimSpace(rest))
		}
	}
	end()
	return out
}

// unindent takes the format's form off a text: a leading space a line, and a
// dot for an empty one.
func unindent(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		line = strings.TrimRight(line, "\n")
		line = strings.TrimPrefix(strings.TrimPrefix(line, " "), "\t")
		if line == "." {
			line = ""
		}
		b.WriteString(line + "\n")
	}
	return strings.TrimSpace(b.String())
}

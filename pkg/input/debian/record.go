package debian

import (
	"fmt"
	"strconv"
	"strings"
)

// record is one paragraph of a Packages index: what is selected, and the
// relations, which are parsed only for the packages that are looked at.
type record struct {
	Selected
	multiArch                                        string
	preDepends, depends, provides, conflicts, breaks string
}

func (r *record) String() string { return r.Name + " " + r.Version }

// relations parses one of the record's fields.
func (r *record) relations(field string) ([]Clause, error) {
	var v string
	switch field {
	case "Pre-Depends":
		v = r.preDepends
	case "Depends":
		v = r.depends
	case "Provides":
		v = r.provides
	case "Conflicts":
		v = r.conflicts
	case "Breaks":
		v = r.breaks
	}
	c, err := ParseRelations(v)
	if err != nil {
		return nil, fmt.Errorf("field %s of %s: %w", field, r, err)
	}
	return c, nil
}

// The fields that a record keeps as text. A Packages index has 25 fields a
// paragraph; most are dropped while it is read.
const (
	fPackage = iota
	fVersion
	fArchitecture
	fSource
	fFilename
	fSize
	fSHA256
	fPriority
	fEssential
	fInstalledSize
	fMultiArch
	fPreDepends
	fDepends
	fProvides
	fConflicts
	fBreaks
	fieldCount
)

var fieldIndex = map[string]int{
	"Package": fPackage, "Version": fVersion, "Architecture": fArchitecture, "Source": fSource,
	"Filename": fFilename, "Size": fSize, "SHA256": fSHA256, "Priority": fPriority,
	"Essential": fEssential, "Installed-Size": fInstalledSize, "Multi-Arch": fMultiArch,
	"Pre-Depends": fPreDepends, "Depends": fDepends, "Provides": fProvides,
	"Conflicts": fConflicts, "Breaks": fBreaks,
}

// newRecord copies what is needed of p, into one string, so that 70,000
// packages are 70,000 small allocations and not a million.
func newRecord(p *Paragraph, origin Selected) (*record, error) {
	var at [fieldCount]field
	size := 0
	for _, f := range p.fields {
		if i, ok := fieldIndex[string(p.text[f.name:f.nameEnd])]; ok {
			at[i] = f
			size += f.end - f.value
		}
	}
	var b strings.Builder
	b.Grow(size)
	var off [fieldCount][2]int
	for i, f := range at {
		off[i][0] = b.Len()
		b.Write(p.text[f.value:f.end])
		off[i][1] = b.Len()
	}
	get := func(i int) string { return b.String()[off[i][0]:off[i][1]] }

	r := &record{
		Selected:   origin,
		preDepends: get(fPreDepends), depends: get(fDepends), provides: get(fProvides),
		conflicts: get(fConflicts), breaks: get(fBreaks),
		multiArch: get(fMultiArch),
	}
	r.Name, r.Version, r.Arch = get(fPackage), get(fVersion), get(fArchitecture)
	r.Path, r.SHA256 = get(fFilename), get(fSHA256)
	r.Priority, r.Essential = get(fPriority), get(fEssential) == "yes"
	r.Source, r.SourceVersion = splitSource(get(fSource), r.Name, r.Version)

	var err error
	if r.Size, err = strconv.ParseInt(get(fSize), 10, 64); err != nil || r.Size <= 0 {
		return nil, r.malformed(p, "Size", get(fSize))
	}
	if v := get(fInstalledSize); v != "" {
		if r.InstalledSize, err = strconv.ParseInt(v, 10, 64); err != nil || r.InstalledSize < 0 {
			return nil, r.malformed(p, "Installed-Size", v)
		}
	}
	switch {
	case !validName(r.Name):
		return nil, r.malformed(p, "Package", r.Name)
	case CheckVersion(r.Version) != nil:
		return nil, r.malformed(p, "Version", r.Version)
	case !validName(r.Arch):
		return nil, r.malformed(p, "Architecture", r.Arch)
	case !localPath(r.Path):
		return nil, r.malformed(p, "Filename", r.Path)
	case !validSHA256(r.SHA256):
		return nil, r.malformed(p, "SHA256", r.SHA256)
	}
	return r, nil
}

func (r *record) malformed(p *Paragraph, field, value string) error {
	if value == "" {
		return &SyntaxError{Line: p.Line, Msg: fmt.Sprintf("package %q has no field %s", r.Name, field)}
	}
	return &SyntaxError{Line: p.Line, Msg: fmt.Sprintf("package %q: field %s is malformed: %.60q", r.Name, field, value)}
}

// splitSource reads "glibc (2.41-12)": the version, and the whole field, are
// left out where they are those of the binary package.
func splitSource(s, name, version string) (string, string) {
	if s == "" {
		return name, version
	}
	src, v, ok := strings.Cut(s, " (")
	if !ok {
		return s, version
	}
	return src, strings.TrimSuffix(v, ")")
}

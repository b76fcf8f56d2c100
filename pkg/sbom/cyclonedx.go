package sbom

import (
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// CycloneDX writes the document as CycloneDX 1.6 in JSON
// (cyclonedx.org/docs/1.6/json). The same document gives the same bytes.
// Packages are components, their files components of the type file inside
// them; which package contains which is told by dependencies.
func (d *Document) CycloneDX(w io.Writer) error {
	files := make([][]cdx.Component, len(d.Packages))
	for i, f := range d.Files {
		files[f.Package] = append(files[f.Package], cdxFile(i, f))
	}
	texts := map[string]Text{}
	for _, t := range d.Texts {
		texts[t.ID] = t
	}
	var components []cdx.Component
	var dependencies []cdx.Dependency
	for i, p := range d.Packages {
		c := cdxPackage(p, files[i], texts)
		if i > 0 {
			components = append(components, c)
		}
		dep := cdx.Dependency{Ref: p.PURL}
		if len(p.Contains) > 0 {
			var on []string
			for _, j := range p.Contains {
				on = append(on, d.Packages[j].PURL)
			}
			dep.Dependencies = &on
		}
		dependencies = append(dependencies, dep)
	}
	root := cdxPackage(d.Packages[0], files[0], texts)
	bom := cdx.NewBOM()
	bom.SpecVersion = cdx.SpecVersion1_6
	bom.JSONSchema = "http://cyclonedx.org/schema/bom-1.6.schema.json"
	bom.SerialNumber = d.serial()
	tool, version, _ := strings.Cut(d.Tool, "-")
	bom.Metadata = &cdx.Metadata{
		Timestamp: d.Created.Format(time.RFC3339),
		Component: &root,
		Tools:     &cdx.ToolsChoice{Components: &[]cdx.Component{{Type: cdx.ComponentTypeApplication, Name: tool, Version: version}}},
	}
	bom.Components, bom.Dependencies = &components, &dependencies
	if err := cdx.NewBOMEncoder(w, cdx.BOMFileFormatJSON).SetEscapeHTML(false).Encode(bom); err != nil {
		return fmt.Errorf("writing CycloneDX: %w", err)
	}
	return nil
}

// serial is the document's own number: a UUID of version 8 (RFC 9562, 5.8)
// from the image's digest.
func (d *Document) serial() string {
	var u [16]byte
	raw, _ := hex.DecodeString(d.Digest.Hex)
	copy(u[:], raw)
	u[6] = u[6]&0x0f | 0x80
	u[8] = u[8]&0x3f | 0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

func cdxFile(i int, f File) cdx.Component {
	c := cdx.Component{
		BOMRef: "file-" + strconv.Itoa(i),
		Type:   cdx.ComponentTypeFile,
		Name:   "/" + f.Path,
		Hashes: &[]cdx.Hash{
			{Algorithm: cdx.HashAlgoSHA1, Value: hex.EncodeToString(f.SHA1[:])},
			{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(f.SHA256[:])},
		},
	}
	if f.Link != "" {
		c.Properties = &[]cdx.Property{{Name: "imgbuild:link", Value: f.Link}}
	}
	return c
}

func cdxPackage(p Package, files []cdx.Component, texts map[string]Text) cdx.Component {
	c := cdx.Component{
		BOMRef:     p.PURL,
		Type:       cdxType(p.Kind),
		Name:       p.Name,
		Version:    p.Version,
		CPE:        p.CPE,
		PackageURL: p.PURL,
		Licenses:   cdxLicenses(p.License, texts),
	}
	// npm's scope is CycloneDX's group.
	if scope, name, ok := strings.Cut(p.Name, "/"); ok && p.Kind == KindNPM {
		c.Group, c.Name = scope, name
	}
	if kind, name := agent(p.Supplier); kind != "" {
		c.Supplier = &cdx.OrganizationalEntity{Name: name}
	}
	if kind, name := agent(p.Originator); kind != "" {
		c.Publisher = name
	}
	if h := homepage(p.Homepage); h != "" {
		c.ExternalReferences = &[]cdx.ExternalReference{{Type: cdx.ERTypeWebsite, URL: h}}
	}
	var properties []cdx.Property
	if p.Source != "" {
		properties = append(properties, cdx.Property{Name: "imgbuild:source", Value: p.Source})
	}
	if in := p.Input; in != nil {
		c.Hashes = &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: in.SHA256}}
		properties = append(properties, cdx.Property{Name: "imgbuild:input", Value: in.ID},
			cdx.Property{Name: "imgbuild:path", Value: in.Path})
	}
	if len(properties) > 0 {
		c.Properties = &properties
	}
	if len(files) > 0 {
		c.Components = &files
	}
	return c
}

// cdxLicenses is an expression, or for a single licence without an SPDX
// identifier its name and text.
func cdxLicenses(expression string, texts map[string]Text) *cdx.Licenses {
	switch t, ok := texts[expression]; {
	case expression == NoAssertion:
		return nil
	case ok:
		return &cdx.Licenses{{License: &cdx.License{Name: t.Name, Text: &cdx.AttachedText{ContentType: "text/plain", Content: t.Text}}}}
	case strings.ContainsAny(expression, " ()+") || strings.HasPrefix(expression, "LicenseRef-"):
		return &cdx.Licenses{{Expression: expression}}
	}
	return &cdx.Licenses{{License: &cdx.License{ID: expression}}}
}

func cdxType(k Kind) cdx.ComponentType {
	switch k {
	case KindImage:
		return cdx.ComponentTypeContainer
	case KindGo:
		return cdx.ComponentTypeApplication
	}
	return cdx.ComponentTypeLibrary
}

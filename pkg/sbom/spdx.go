package sbom

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx/v2/common"
	spdx "github.com/spdx/tools-golang/spdx/v2/v2_3"
)

// SPDX writes the document as SPDX 2.3 in JSON
// (spdx.github.io/spdx-spec/v2.3). The same document gives the same bytes.
func (d *Document) SPDX(w io.Writer) error {
	doc := &spdx.Document{
		SPDXVersion:       spdx.Version,
		DataLicense:       spdx.DataLicense,
		SPDXIdentifier:    "DOCUMENT",
		DocumentName:      d.title(),
		DocumentNamespace: d.namespace(),
		CreationInfo: &spdx.CreationInfo{
			Creators: []common.Creator{{CreatorType: "Tool", Creator: d.Tool}},
			Created:  d.Created.Format(time.RFC3339),
		},
	}
	hashes := make([][][20]byte, len(d.Packages))
	for i, f := range d.Files {
		doc.Files = append(doc.Files, spdxFile(i, f))
		hashes[f.Package] = append(hashes[f.Package], f.SHA1)
	}
	for i, p := range d.Packages {
		doc.Packages = append(doc.Packages, spdxPackage(i, p, hashes[i]))
	}
	for _, t := range d.Texts {
		doc.OtherLicenses = append(doc.OtherLicenses, &spdx.OtherLicense{LicenseIdentifier: t.ID, LicenseName: t.Name, ExtractedText: t.Text})
	}
	doc.Relationships = d.relationships()
	if err := spdxjson.Write(doc, w, spdxjson.EscapeHTML(false)); err != nil {
		return fmt.Errorf("writing SPDX: %w", err)
	}
	return nil
}

// title is the document's name: golang 1.27.3 full linux/amd64.
func (d *Document) title() string {
	return strings.Join([]string{d.Name, d.Version, d.Variant, d.Platform}, " ")
}

// namespace is a URI of this document's own (SPDX 2.3, 6.5); nothing is there.
func (d *Document) namespace() string {
	return fmt.Sprintf("https://%s/sbom/%s/%s/%s", module, idString(d.Name), d.Digest.Hex, idString(d.Tool))
}

func packageID(i int) common.ElementID { return common.ElementID(fmt.Sprintf("Package-%d", i)) }

func fileID(i int) common.ElementID { return common.ElementID(fmt.Sprintf("File-%d", i)) }

func spdxFile(i int, f File) *spdx.File {
	out := &spdx.File{
		FileName:           "./" + f.Path, // relative to the image's root (SPDX 2.3, 8.1)
		FileSPDXIdentifier: fileID(i),
		Checksums: []common.Checksum{
			{Algorithm: common.SHA1, Value: hex.EncodeToString(f.SHA1[:])},
			{Algorithm: common.SHA256, Value: hex.EncodeToString(f.SHA256[:])},
		},
		LicenseConcluded:   NoAssertion,
		LicenseInfoInFiles: []string{NoAssertion},
		FileCopyrightText:  NoAssertion,
	}
	if f.Link != "" {
		out.FileComment = "symbolic link to " + f.Link + "; the checksums are of this target's text"
	}
	return out
}

func spdxPackage(i int, p Package, hashes [][20]byte) *spdx.Package {
	out := &spdx.Package{
		PackageName:               p.Name,
		PackageSPDXIdentifier:     packageID(i),
		PackageVersion:            p.Version,
		PackageSupplier:           &common.Supplier{},
		PackageDownloadLocation:   NoAssertion,
		FilesAnalyzed:             p.Files > 0,
		IsFilesAnalyzedTagPresent: true,
		PackageHomePage:           homepage(p.Homepage),
		PackageLicenseConcluded:   NoAssertion,
		PackageLicenseDeclared:    p.License,
		PackageCopyrightText:      NoAssertion,
		PrimaryPackagePurpose:     purpose(p.Kind),
		PackageExternalReferences: []*spdx.PackageExternalReference{
			{Category: common.CategoryPackageManager, RefType: common.TypePackageManagerPURL, Locator: p.PURL},
		},
	}
	out.PackageSupplier.SupplierType, out.PackageSupplier.Supplier = agent(p.Supplier)
	if p.Originator != NoAssertion {
		out.PackageOriginator = &common.Originator{}
		out.PackageOriginator.OriginatorType, out.PackageOriginator.Originator = agent(p.Originator)
	}
	if p.Files > 0 {
		out.PackageVerificationCode = &common.PackageVerificationCode{Value: verificationCode(hashes)}
		out.PackageLicenseInfoFromFiles = p.Found
		if len(p.Found) == 0 {
			out.PackageLicenseInfoFromFiles = []string{NoAssertion}
		}
	}
	if p.CPE != "" {
		out.PackageExternalReferences = append(out.PackageExternalReferences,
			&spdx.PackageExternalReference{Category: common.CategorySecurity, RefType: common.TypeSecurityCPE23Type, Locator: p.CPE})
	}
	if p.Source != "" {
		out.PackageSourceInfo = "built from the source package " + p.Source
	}
	if in := p.Input; in != nil {
		out.PackageFileName = in.Path
		out.PackageChecksums = []common.Checksum{{Algorithm: common.SHA256, Value: in.SHA256}}
		out.PackageComment = in.comment()
	}
	return out
}

// comment says where the input came from and who vouches for it.
func (in *Input) comment() string {
	s := fmt.Sprintf("%s, from the archive %s", in.ID, in.Archive)
	if len(in.SignedBy) > 0 {
		s += ", signed by " + strings.Join(in.SignedBy, ", ")
	}
	return s
}

// agent is the type and the name of "Organization: Debian".
func agent(s string) (kind, name string) {
	if kind, name, ok := strings.Cut(s, ": "); ok {
		return kind, name
	}
	return "", NoAssertion
}

// homepage is what a stranger gave as one, if it is a URL at all (SPDX 2.3,
// 7.11: a URI, NONE or NOASSERTION).
func homepage(s string) string {
	if strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://") {
		if !strings.ContainsAny(s, " \t\n\"<>\\^`{|}") && len(s) < 2048 {
			return s
		}
	}
	return ""
}

// purpose is SPDX's (7.24) for a kind of package.
func purpose(k Kind) string {
	switch k {
	case KindImage:
		return "CONTAINER"
	case KindGo:
		return "APPLICATION"
	}
	return "LIBRARY"
}

// verificationCode is that of a package's files (SPDX 2.3, 7.9): the SHA-1 of
// their sorted SHA-1s in hex, one behind the other.
func verificationCode(hashes [][20]byte) string {
	hashes = slices.Clone(hashes)
	slices.SortFunc(hashes, func(x, y [20]byte) int { return slices.Compare(x[:], y[:]) })
	sum := sha1.New()
	for _, h := range hashes {
		io.WriteString(sum, hex.EncodeToString(h[:]))
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// relationships are: the document describes the image, packages contain
// packages, packages contain files.
func (d *Document) relationships() []*spdx.Relationship {
	relate := func(a common.ElementID, what string, b common.ElementID) *spdx.Relationship {
		return &spdx.Relationship{RefA: common.DocElementID{ElementRefID: a}, Relationship: what, RefB: common.DocElementID{ElementRefID: b}}
	}
	out := []*spdx.Relationship{relate("DOCUMENT", common.TypeRelationshipDescribe, packageID(0))}
	for i, p := range d.Packages {
		for _, c := range p.Contains {
			out = append(out, relate(packageID(i), common.TypeRelationshipContains, packageID(c)))
		}
	}
	for i, f := range d.Files {
		out = append(out, relate(packageID(f.Package), common.TypeRelationshipContains, fileID(i)))
	}
	return out
}

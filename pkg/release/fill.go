package release

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/address"
	"github.com/imgbuild/imgbuild/pkg/attach"
	"github.com/imgbuild/imgbuild/pkg/content"
	"github.com/imgbuild/imgbuild/pkg/sign"
)

// report says what was released. Where nothing is different from before it is
// before.
func (r *Release) report(all []*built, ds []*destination, before *Report) (*Report, error) {
	report := &Report{Schema: ReportSchema, Name: r.c.Name, ImgbuildVersion: r.o.Version}
	if r.key != nil {
		pem, err := sign.PublicPEM(r.key.Public())
		if err != nil {
			return nil, err
		}
		report.PublicKey = string(pem)
	}
	for _, d := range ds {
		report.Regions = append(report.Regions, d.region())
	}
	for i, b := range all {
		img, err := b.report(i, ds)
		if err != nil {
			return nil, err
		}
		report.Images = append(report.Images, img)
	}
	for i, in := range r.bundles {
		report.Bundles = append(report.Bundles, in.report(i, ds))
	}
	return settle(report, before), nil
}

// region is the destination as the report has it.
func (d *destination) region() Destination {
	printed := d.Registry
	if printed.Reference != "" {
		printed.Host = printed.Reference
	}
	out := Destination{Name: d.name, Registry: printed.String()}
	if a, ok := address.ParseACR(d.Host); ok {
		printed.Host = a.VPC().Host()
		out.VPC = printed.String()
	}
	return out
}

// report is the image, the i-th of the release.
func (b *built) report(i int, ds []*destination) (Image, error) {
	d := b.Definition
	out := Image{
		Name: d.Name, Title: d.Title, Description: d.Description,
		Version: b.Version, Series: b.Series, Variant: b.Variant.Name,
		Tags: b.Tags, Tag: b.Tag, Digest: b.digest.String(),
		References: map[string]string{}, Changes: b.changes, Unchanged: b.published,
	}
	for _, to := range ds {
		s := to.images[i]
		out.References[to.name] = s.plan.Reference
		if len(s.plan.Kept) > 0 {
			if out.Kept == nil {
				out.Kept = map[string][]string{}
			}
			out.Kept[to.name] = s.plan.Kept
		}
	}
	out.Tag = b.free(out.Kept)
	for p := range b.images {
		platform, created, err := b.platform(p, ds[0].images[i])
		if err != nil {
			return out, err
		}
		out.Platforms = append(out.Platforms, platform)
		out.Created = max(out.Created, created.UTC().Format(time.RFC3339))
	}
	return out, nil
}

// free is the tag to write into FROM: one that is this image everywhere.
func (b *built) free(kept map[string][]string) string {
	for _, t := range b.request().Tags {
		if !slices.ContainsFunc(slices.Collect(maps.Values(kept)), func(k []string) bool { return slices.Contains(k, t) }) {
			return t
		}
	}
	return b.Tag
}

// platform is the image of one platform, with the attachments of one
// destination: those of others say the same.
func (b *built) platform(i int, s *standing) (Platform, time.Time, error) {
	var created time.Time
	out := Platform{
		Platform: b.Platforms[i].Platform, Digest: b.digests[i].String(),
		Unpacked: b.contents[i].Unpacked, Packages: b.contents[i].Packages,
		Proof:       Proof{Status: b.proofs[i].Status, Reason: b.proofs[i].Reason, Rules: b.proofs[i].Rules, Skipped: b.proofs[i].Skipped},
		Attachments: map[string]Attachment{},
	}
	c, err := content.Of(b.images[i], nil)
	if err != nil {
		return out, created, err
	}
	config, err := b.images[i].ConfigFile()
	if err != nil {
		return out, created, err
	}
	for _, blob := range c.Blobs {
		out.Size += blob.Size
	}
	layers, err := b.images[i].Layers()
	if err != nil {
		return out, created, err
	}
	for n, l := range layers {
		layer, err := layerOf(l)
		if err != nil {
			return out, created, err
		}
		layer.DiffID = config.RootFS.DiffIDs[n].String()
		out.Layers = append(out.Layers, layer)
	}
	for _, a := range s.attachments {
		if a.of == b.digests[i] || a.kind == attach.Source {
			for _, what := range reported[a.kind] {
				out.Attachments[what] = Attachment{Tag: attach.Tag(a.of, a.kind), Digest: a.at.String(), MediaType: mediaTypes[a.kind]}
			}
		}
	}
	return out, config.Created.Time, nil
}

// reported is what attachments of each kind are in a report.
var reported = map[string][]string{
	attach.Source: {"source"}, attach.Attestations: {"sbom", "provenance"}, attach.Signature: {"signature"},
}

// mediaTypes are those of the layers of attachments.
var mediaTypes = map[string]string{
	attach.Source: string(attach.SourceType), attach.Attestations: string(attach.AttestationType), attach.Signature: string(attach.SignatureType),
}

func layerOf(l v1.Layer) (out Layer, err error) {
	h, err := l.Digest()
	if err != nil {
		return out, err
	}
	out.Digest = h.String()
	if named, ok := l.(interface{ Name() string }); ok {
		out.Name = named.Name()
	}
	out.Size, err = l.Size()
	return out, err
}

func sortPackages(all []Package) {
	slices.SortFunc(all, func(a, b Package) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Version, b.Version), strings.Compare(a.PURL, b.PURL))
	})
}

package release

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/lock"
)

// history is what is remembered of how an image came to be released, for a
// run after one that was interrupted when its tags had moved already.
type history struct {
	Changes *Changes `json:"changes"`
	// Published says that the release has ended.
	Published bool `json:"published"`
}

const historyKind = "release-history"

// compare says of each image what is different from the one before it.
func (r *Release) compare(ctx context.Context, all []*built, ds []*destination, before *Report) error {
	for i, b := range all {
		h := r.historyOf(ctx, i, b, ds, before)
		b.changes, b.published = h.Changes, h.Published
		if err := r.remember(b, h); err != nil {
			return err
		}
	}
	return nil
}

// published notes that the release has ended.
func (r *Release) published(all []*built) error {
	for _, b := range all {
		if err := r.remember(b, history{Changes: b.changes, Published: true}); err != nil {
			return err
		}
	}
	return nil
}

// remember writes what is not remembered like that.
func (r *Release) remember(b *built, h history) error {
	var was history
	if ok, err := r.o.Store.Record(historyKind, r.historyKey(b), &was); err == nil && ok && reflect.DeepEqual(was, h) {
		return nil
	}
	return r.o.Store.PutRecord(historyKind, r.historyKey(b), h)
}

func (r *Release) historyKey(b *built) string {
	return strings.Join([]string{r.c.Name, b.Definition.Name, b.Series, b.Variant.Name, b.digest.String()}, " ")
}

// historyOf looks for the image that came before: at the destinations, where
// the tag still names it, else in what is remembered of a release that was
// interrupted, else in the report of the release before.
func (r *Release) historyOf(ctx context.Context, i int, b *built, ds []*destination, before *Report) (h history) {
	var there, other bool
	for _, d := range ds {
		s := d.images[i]
		there = there || s.was == b.digest
		if (s.was == v1.Hash{}) || s.was == b.digest {
			continue
		}
		other = true
		if c := r.fromLock(ctx, b, s); c != nil {
			return history{Changes: c}
		}
	}
	known, err := r.o.Store.Record(historyKind, r.historyKey(b), &h)
	known = known && err == nil && !other
	entry := find(before, b)
	switch {
	case known && !h.Published:
		return h
	case entry != nil && entry.Digest == b.digest.String():
		return history{Changes: entry.Changes, Published: true}
	case entry != nil:
		return history{Changes: fromReport(b, entry)}
	case known:
		return h
	}
	return history{Published: there}
}

// find is the image of the same series and variant in a report.
func find(report *Report, b *built) *Image {
	if report == nil {
		return nil
	}
	for i := range report.Images {
		if e := &report.Images[i]; e.Name == b.Definition.Name && e.Series == b.Series && e.Variant == b.Variant.Name {
			return e
		}
	}
	return nil
}

// fromLock compares with the lock that is beside the image before, where its
// provenance says by our key that it is that image's. Where there is none it
// is nil: a changelog is no reason to fail.
func (r *Release) fromLock(ctx context.Context, b *built, s *standing) *Changes {
	if r.key == nil {
		return nil
	}
	older, err := r.lockOf(ctx, s.repository, s.was)
	if err != nil || older == nil {
		return nil
	}
	sizes, err := r.sizesOf(ctx, s.repository, s.was)
	if err != nil {
		return nil
	}
	c := &Changes{FromDigest: s.was.String(), Packages: restrict(lock.Diff(older, b.Lock), b)}
	for _, img := range older.Images {
		if img.Series == b.Series && img.Variant == b.Variant.Name {
			c.FromVersion = img.Version
		}
	}
	if c.FromVersion == "" {
		return nil
	}
	c.sizes(b, sizes)
	return c
}

// restrict leaves what is about the image of a diff between whole locks.
func restrict(all []lock.Change, b *built) (out []lock.Change) {
	var ours []string
	for _, p := range b.Platforms {
		ours = append(ours, strings.Join([]string{b.Series, b.Variant.Name, p.Platform}, " "))
	}
	for _, c := range all {
		c.Images = slices.DeleteFunc(slices.Clone(c.Images), func(name string) bool { return !slices.Contains(ours, name) })
		if len(c.Images) > 0 {
			c.Everywhere = len(c.Images) == len(ours)
			out = append(out, c)
		}
	}
	return out
}

// fromReport compares with what the release before has reported.
func fromReport(b *built, before *Image) *Changes {
	c := &Changes{FromVersion: before.Version, FromDigest: before.Digest}
	if before.Version != b.Version {
		c.Packages = append(c.Packages, lock.Change{Kind: lock.ChangeVersion, Name: b.Series, From: before.Version, To: b.Version})
	}
	sizes := map[string]int64{}
	was := map[string]map[string]string{}
	for _, p := range before.Platforms {
		sizes[p.Platform], was[p.Platform] = p.Size, versions(p.Packages)
	}
	joined := map[[3]string]int{} // index into c.Packages
	for i, p := range b.Platforms {
		if was[p.Platform] == nil {
			continue // a new platform
		}
		older, newer := was[p.Platform], versions(b.contents[i].Packages)
		names := slices.AppendSeq(slices.Collect(maps.Keys(older)), maps.Keys(newer))
		slices.Sort(names)
		for _, name := range slices.Compact(names) {
			if older[name] == newer[name] {
				continue
			}
			key := [3]string{name, older[name], newer[name]}
			at, ok := joined[key]
			if !ok {
				at = len(c.Packages)
				joined[key] = at
				c.Packages = append(c.Packages, lock.Change{Kind: lock.ChangePackage, Name: name, From: key[1], To: key[2]})
			}
			c.Packages[at].Images = append(c.Packages[at].Images, strings.Join([]string{b.Series, b.Variant.Name, p.Platform}, " "))
			c.Packages[at].Everywhere = len(c.Packages[at].Images) == len(b.Platforms)
		}
	}
	c.sizes(b, sizes)
	return c
}

// versions are those of each package; there may be several.
func versions(all []Package) map[string]string {
	out := map[string]string{}
	for _, p := range all {
		if out[p.Name] != "" {
			out[p.Name] += ", "
		}
		out[p.Name] += p.Version
	}
	return out
}

// sizes notes the sizes before and now.
func (c *Changes) sizes(b *built, before map[string]int64) {
	for i, p := range b.Platforms {
		was, ok := before[p.Platform]
		now, err := sizeOf(b.images[i])
		if !ok || err != nil || was == now {
			continue
		}
		if c.Sizes == nil {
			c.Sizes = map[string][2]int64{}
		}
		c.Sizes[p.Platform] = [2]int64{was, now}
	}
}

// sizeOf is the size of all blobs of an image in bytes.
func sizeOf(img v1.Image) (int64, error) {
	m, err := img.Manifest()
	if err != nil {
		return 0, err
	}
	n := m.Config.Size
	for _, l := range m.Layers {
		n += l.Size
	}
	return n, nil
}

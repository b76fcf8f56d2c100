package lock

import (
	"cmp"
	"slices"
)

// Kinds of Change, in the order in which Diff returns them.
const (
	ChangeDefinition = "definition" // the definition itself
	ChangeArchive    = "archive"    // a signed archive, or the keys that signed it
	ChangeVersion    = "version"    // the version chosen for a series
	ChangePackage    = "package"    // an input
	ChangeScript     = "script"     // a maintainer script that was audited
	ChangeLayer      = "layer"      // the diffID of a layer whose inputs are the same
)

// Change is one thing in which two locks differ.
type Change struct {
	Kind string `json:"kind"`
	// Name is the package, series, archive, script or layer.
	Name string `json:"name"`
	// From and To are versions, signers or hashes; From is empty for what is
	// new, To for what is gone.
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
	// Origin is where a package comes from: the suite where its archive has
	// only one (trixie-security), else the archive (debian, npm, go).
	Origin string `json:"origin,omitempty"`
	// Images are the images in which it changed, as "1.27 full linux/amd64",
	// in the order of the lock. Empty for what is no part of an image.
	Images []string `json:"images,omitempty"`
	// Everywhere says that Images are all images of the lock.
	Everywhere bool `json:"everywhere,omitempty"`
}

// Diff returns what is different in newer. Images are compared by series,
// variant and platform, so that a new patch release is one change and no new
// image. A nil older lock has nothing.
func Diff(older, newer *Lock) []Change {
	if older == nil {
		older = &Lock{}
	}
	var changes []Change
	if older.Definition != newer.Definition && older.Definition != "" {
		changes = append(changes, Change{Kind: ChangeDefinition, From: older.Definition, To: newer.Definition})
	}
	changes = append(changes, compare(ChangeArchive, archives(older), archives(newer))...)
	changes = append(changes, diffImages(older, newer)...)
	changes = append(changes, compare(ChangeScript, scripts(older), scripts(newer))...)
	rank := []string{ChangeDefinition, ChangeArchive, ChangeVersion, ChangePackage, ChangeScript, ChangeLayer}
	slices.SortStableFunc(changes, func(a, b Change) int {
		return cmp.Or(
			cmp.Compare(slices.Index(rank, a.Kind), slices.Index(rank, b.Kind)),
			cmp.Compare(a.Name, b.Name), cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To))
	})
	return changes
}

// diffImages compares image by image and joins what changed alike in several.
func diffImages(older, newer *Lock) []Change {
	was, is := facts(older), facts(newer)
	var order []string
	for _, img := range slices.Concat(newer.Images, older.Images) {
		if key := imageKey(img); !slices.Contains(order, key) {
			order = append(order, key)
		}
	}
	joined := map[change]*Change{}
	var changes []*Change
	for _, image := range order {
		for f := range union(was[image], is[image]) {
			from, to := was[image][f], is[image][f]
			if from.text == to.text && from.hash == to.hash || from.follows(to) {
				continue
			}
			if from.text == to.text {
				// The same version, but other bytes.
				from.text += " " + short(from.hash)
				to.text += " " + short(to.hash)
			}
			id := change{f, from.text, to.text}
			c := joined[id]
			if c == nil {
				c = &Change{Kind: f.kind, Name: f.name, From: from.text, To: to.text, Origin: cmp.Or(to.origin, from.origin)}
				joined[id] = c
				changes = append(changes, c)
			}
			c.Images = append(c.Images, image)
		}
	}
	var out []Change
	for _, c := range changes {
		c.Everywhere = len(c.Images) == len(order)
		out = append(out, *c)
	}
	return out
}

// fact is one thing that an image has; value what it is.
type fact struct{ kind, name string }
type value struct{ text, hash, origin, madeFrom string }
type change struct {
	fact
	from, to string
}

// follows says whether the layers v and to differ because their inputs do,
// which is a change of its own.
func (v value) follows(to value) bool {
	return v.madeFrom != "" && to.madeFrom != "" && v.madeFrom != to.madeFrom
}

// facts returns what each image of l is made of.
func facts(l *Lock) map[string]map[fact]value {
	inputs := make(map[string]Input, len(l.Inputs))
	for _, in := range l.Inputs {
		inputs[in.ID] = in
	}
	out := map[string]map[fact]value{}
	for _, img := range l.Images {
		m := map[fact]value{{ChangeVersion, img.Series}: {text: img.Version}}
		for _, layer := range img.Layers {
			madeFrom := ""
			for _, id := range layer.Inputs {
				in := inputs[id]
				madeFrom += in.SHA256
				m[fact{ChangePackage, in.Name}] = value{text: in.Version, hash: in.SHA256, origin: l.origin(in)}
			}
			if layer.DiffID != "" {
				m[fact{ChangeLayer, layer.Name}] = value{text: short(layer.DiffID), hash: layer.DiffID, madeFrom: madeFrom}
			}
		}
		out[imageKey(img)] = m
	}
	return out
}

func imageKey(img Image) string { return img.Series + " " + img.Variant + " " + img.Platform }

func union[K comparable, V any](a, b map[K]V) map[K]bool {
	keys := map[K]bool{}
	for k := range a {
		keys[k] = true
	}
	for k := range b {
		keys[k] = true
	}
	return keys
}

// origin is the suite of an input's archive where it has only one.
func (l *Lock) origin(in Input) string {
	var suites []string
	for _, a := range l.Archives {
		if a.Name == in.Archive {
			suites = append(suites, a.Suite)
		}
	}
	if len(suites) == 1 {
		return suites[0]
	}
	return cmp.Or(in.Archive, in.Kind)
}

func short(hash string) string {
	if len(hash) > 19 {
		return hash[:19]
	}
	return hash
}

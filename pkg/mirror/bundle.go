package mirror

import "strings"

// BundleVariable is the environment variable that names bundles, separated by
// commas.
const BundleVariable = "IMGBUILD_BUNDLE"

// Bundle is a place that has inputs which no mirror gives any more.
type Bundle struct {
	// Ref is a reference in a registry, or a file.
	Ref string
	// From is who named it: a flag, a variable, or a line of a file.
	From string
}

// Bundles returns all bundles that were named, in the order in which they are
// tried: those of the flag, of the variable, and of the configuration file.
func (m *Mirrors) Bundles() []Bundle { return m.bundles }

func named(refs []string, from string) (all []Bundle) {
	for _, ref := range refs {
		if strings.TrimSpace(ref) != "" {
			all = append(all, Bundle{Ref: strings.TrimSpace(ref), From: from})
		}
	}
	return all
}

package rootfs

import (
	"cmp"
	"slices"
	"strings"
)

// fieldOrder is the order in which dpkg writes the fields of its status
// (dpkg's lib/dpkg/parse.c, fieldinfos); fields it does not know follow.
var fieldOrder = []string{
	"Package", "Essential", "Protected", "Status", "Priority", "Section", "Installed-Size", "Origin",
	"Maintainer", "Bugs", "Architecture", "Multi-Arch", "Source", "Version", "Replaces", "Provides",
	"Depends", "Pre-Depends", "Recommends", "Suggests", "Breaks", "Conflicts", "Enhances", "Conffiles",
	"Description",
}

// statusText is /var/lib/dpkg/status: every package as installed.
func statusText(pkgs []*unpacked) string {
	var b strings.Builder
	for _, u := range byName(pkgs) {
		fields := slices.Clone(u.stanza)
		fields = append(fields, field{Name: "Status", Value: "install ok installed"})
		if c := u.conffileHashes(); c != "" {
			fields = append(fields, field{Name: "Conffiles", Value: c})
		}
		slices.SortStableFunc(fields, func(x, y field) int { return cmp.Compare(fieldRank(x.Name), fieldRank(y.Name)) })
		for _, f := range fields {
			b.WriteString(f.Name + ":")
			if !strings.HasPrefix(f.Value, "\n") {
				b.WriteByte(' ')
			}
			b.WriteString(f.Value + "\n")
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func fieldRank(name string) int {
	i := slices.IndexFunc(fieldOrder, func(f string) bool { return strings.EqualFold(f, name) })
	if i < 0 {
		return len(fieldOrder)
	}
	return i
}

// conffileHashes are the lines of the status field Conffiles.
func (u *unpacked) conffileHashes() string {
	sums := map[string]string{}
	for _, e := range u.entries {
		if e.md5 != "" && !u.lost[usrMerge(e.hdr.Name)] {
			sums["/"+e.hdr.Name] = e.md5
		}
	}
	var b strings.Builder
	for _, c := range u.conffiles {
		if sum := sums[c]; sum != "" {
			b.WriteString("\n " + c + " " + sum)
		}
	}
	return b.String()
}

// extendedStates is apt's list of packages that it may remove by itself.
func extendedStates(pkgs []*unpacked, arch string) string {
	var b strings.Builder
	for _, u := range byName(pkgs) {
		if !u.Auto {
			continue
		}
		a := u.Arch
		if a == "all" {
			a = arch // as apt files them
		}
		b.WriteString("Package: " + u.Name + "\nArchitecture: " + a + "\nAuto-Installed: 1\n\n")
	}
	return b.String()
}

func byName(pkgs []*unpacked) []*unpacked {
	return slices.SortedStableFunc(slices.Values(pkgs), func(a, b *unpacked) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Arch, b.Arch))
	})
}

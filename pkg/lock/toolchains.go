package lock

import (
	"maps"
	"slices"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/definition"
)

// Toolchains are those of the newest Go that the lock has for every machine
// for which it has any, one a machine, by their ids. Those of golang compile
// the shim: the same version on each machine, so that all make the same bytes.
// There are none where no version is for all machines.
func (l *Lock) Toolchains() []Input {
	machines := map[string]bool{} // linux-amd64
	of := map[string][]Input{}    // by version
	for _, in := range l.Inputs {
		if in.Kind == KindGo {
			machines[in.machine()] = true
			of[in.Version] = append(of[in.Version], in)
		}
	}
	versions := slices.SortedFunc(maps.Keys(of), func(a, b string) int { return definition.CompareVersions(b, a) })
	for _, v := range versions {
		if len(of[v]) == len(machines) {
			return of[v]
		}
	}
	return nil
}

// Toolchain is the one of Toolchains that runs on a platform, such as
// linux/amd64.
func (l *Lock) Toolchain(platform string) (Input, bool) {
	for _, in := range l.Toolchains() {
		if in.machine() == strings.ReplaceAll(platform, "/", "-") {
			return in, true
		}
	}
	return Input{}, false
}

// machine is what a Go toolchain runs on, the end of its id go:1.27.3/linux-amd64.
func (in Input) machine() string { return in.ID[strings.LastIndexByte(in.ID, '/')+1:] }

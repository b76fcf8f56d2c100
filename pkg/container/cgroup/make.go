package cgroup

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// New makes a group with these limits. Where this process may make none, or only
// one without some of the limits, lacking says which are not kept, why, and what
// to do; that is no failure, and the group can be used like any.
func New(l Limits) (g *Group, lacking error) { return newGroup(places(), l.list()) }

func newGroup(all []place, limits []limit) (*Group, error) {
	g := &Group{folders: map[string]*folder{}}
	var left []limit // of v2
	var missed []string
	var why error
	for _, l := range limits {
		p, ok := with(all, l.controller)
		if !ok {
			left = append(left, l)
			continue
		}
		f, err := newFolder(p.own, l.v1)
		if err != nil {
			missed, why = append(missed, l.name), cmp.Or(why, err)
			continue
		}
		g.folders[l.controller] = f
	}
	if p, ok := with(all, ""); ok {
		kept, err := g.unified(p, left)
		why, left = cmp.Or(why, err), left[kept:]
	}
	for _, l := range left {
		missed = append(missed, l.name)
	}
	if len(missed) == 0 {
		return g, nil
	}
	why = cmp.Or(why, errors.New("this machine shows no control groups"))
	return g, fmt.Errorf("%s: not limited here, as no control group can be had: %w; run imgbuild as root, or where systemd gives it a group: systemd-run --user --scope imgbuild …", strings.Join(missed, " and "), why)
}

// unified makes a group of v2 that keeps as many of the limits as can be, and
// says how many. A group without any still freezes.
func (g *Group) unified(p place, limits []limit) (kept int, why error) {
	for kept = len(limits); kept >= 0; kept-- {
		var settings []setting
		for _, l := range limits[:kept] {
			settings = append(settings, l.v2...)
		}
		for parent := range p.upward {
			err := enable(parent, limits[:kept])
			var f *folder
			if err == nil {
				f, err = newFolder(parent, settings)
			}
			if err != nil {
				why = cmp.Or(why, err)
				continue
			}
			for _, l := range limits[:kept] {
				g.folders[l.controller] = f
			}
			g.folders[unified] = f
			return kept, why
		}
	}
	return 0, why
}

// upward yields the process's own group and those above it, as far as they are
// in sight. Where a group has processes of its own, as this process's has, v2
// lets none below it have limits ("no internal processes"); one beside it may.
func (p place) upward(yield func(string) bool) {
	for dir := p.own; yield(dir) && dir != p.mount; {
		dir = filepath.Dir(dir)
	}
}

// enable has the groups below parent limited, where they are not yet.
func enable(parent string, limits []limit) error {
	file := filepath.Join(parent, "cgroup.subtree_control")
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var lacks []string
	for _, l := range limits {
		if !slices.Contains(strings.Fields(string(b)), l.controller) {
			lacks = append(lacks, "+"+l.controller)
		}
	}
	if len(lacks) == 0 {
		return nil
	}
	return write(file, strings.Join(lacks, " "))
}

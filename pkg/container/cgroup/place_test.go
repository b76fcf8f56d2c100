package cgroup

import (
	"slices"
	"testing"
)

// TestPlaces: where groups are made on machines of all kinds.
func TestPlaces(t *testing.T) {
	const (
		v1 = `31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
`
		hybrid = v1 + "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
		v2     = "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
	)
	for name, test := range map[string]struct {
		groups, mounts      string
		memory, cpu, freeze string // "" is nowhere
	}{
		"v1":                       {"9:name=systemd:/user\n4:memory:/a/b\n1:cpu,cpuacct:/\n", v1, "/sys/fs/cgroup/memory/a/b", "/sys/fs/cgroup/cpu,cpuacct", ""},
		"both":                     {"4:memory:/a\n1:cpu,cpuacct:/c\n0::/u\n", hybrid, "/sys/fs/cgroup/memory/a", "/sys/fs/cgroup/cpu,cpuacct/c", "/sys/fs/cgroup/unified/u"},
		"v2":                       {"0::/user.slice/a:b.scope\n", v2, "", "", "/sys/fs/cgroup/user.slice/a:b.scope"},
		"v2, in a namespace":       {"0::/\n", v2, "", "", "/sys/fs/cgroup"},
		"a container's own, bound": {"4:memory:/docker/1/in\n", "9 8 0:32 /docker/1 /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n", "/sys/fs/cgroup/memory/in", "", ""},
		"out of sight":             {"4:memory:/other\n0::/../x\n", "9 8 0:32 /docker/1 /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n" + v2, "", "", ""},
		"none":                     {"", "1 2 0:3 / / rw - ext4 /dev/vda rw\n", "", "", ""},
		"no such hierarchy":        {"0::/\n", v1, "", "", ""},
	} {
		all := parsePlaces(test.groups, test.mounts)
		for controller, want := range map[string]string{"memory": test.memory, "cpu": test.cpu, unified: test.freeze} {
			if p, ok := with(all, controller); p.own != want || ok != (want != "") {
				t.Errorf("%s: the group of %q is %q, want %q", name, controller, p.own, want)
			}
		}
	}
}

func TestUpward(t *testing.T) {
	p := place{mount: "/m", own: "/m/a/b"}
	if got := slices.Collect(p.upward); !slices.Equal(got, []string{"/m/a/b", "/m/a", "/m"}) {
		t.Errorf("%q", got)
	}
	p.own = p.mount
	if got := slices.Collect(p.upward); !slices.Equal(got, []string{"/m"}) {
		t.Errorf("%q", got)
	}
}

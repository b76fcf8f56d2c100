package container

import (
	"maps"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// inRuntime is what the runtime gets and leaves, in the folder that is mounted on.
const inRuntime = "runtime"

// runtimeConfig is what the runtime is to do (OCI runtime specification,
// config.md): the container of s. The files are below s.Base.
func (s *setup) runtimeConfig(u user, privileged bool) *specs.Spec {
	names := slices.Sorted(maps.Keys(capabilities))
	config := &specs.Spec{
		Version: "1.0.2", // the oldest that has all of this
		Process: &specs.Process{
			User: specs.User{UID: uint32(u.uid), GID: uint32(u.gid)},
			Args: s.Argv, Env: s.Env, Cwd: s.Dir, NoNewPrivileges: true,
			Capabilities: &specs.LinuxCapabilities{Bounding: names, Effective: names, Permitted: names},
		},
		Root:     &specs.Root{Path: s.rootPath()},
		Hostname: s.Hostname,
		Mounts: []specs.Mount{
			{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "nodev", "noexec"}},
			{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "noexec", "strictatime", "mode=0755", "size=65536"}},
			{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"}},
			{Destination: "/dev/shm", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "nodev", "noexec", "mode=1777", "size=67108864"}},
		},
		Linux: &specs.Linux{Namespaces: []specs.LinuxNamespace{{Type: specs.PIDNamespace}, {Type: specs.MountNamespace}, {Type: specs.IPCNamespace}, {Type: specs.UTSNamespace}}},
	}
	if !hasName(s.Env, "HOME") {
		config.Process.Env = append(slices.Clip(s.Env), "HOME="+u.home)
	}
	if privileged {
		for _, id := range append([]int{u.gid}, u.groups...) {
			config.Process.User.AdditionalGids = append(config.Process.User.AdditionalGids, uint32(id))
		}
		for _, name := range readOnlyProc {
			config.Linux.ReadonlyPaths = append(config.Linux.ReadonlyPaths, "/proc/"+name)
		}
		for _, name := range hiddenProc {
			config.Linux.MaskedPaths = append(config.Linux.MaskedPaths, "/proc/"+name)
		}
	}
	bind := func(from, to, access string) {
		config.Mounts = append(config.Mounts, specs.Mount{Destination: to, Type: "bind", Source: from, Options: []string{"rbind", access}})
	}
	for n, target := range s.groupTargets() {
		bind(s.groupPath(n), target, "ro")
	}
	for _, m := range s.Mounts {
		bind(m.Source, m.Target, map[bool]string{true: "ro", false: "rw"}[m.ReadOnly])
	}
	return config
}

// groupTargets are where the container sees its control group, and groupPath is
// where the runtime finds the nth of them.
func (s *setup) groupTargets() []string { return slices.Sorted(maps.Keys(s.Groups)) }
func (s *setup) groupPath(n int) string {
	return filepath.Join(s.Base, inRuntime, "group-"+strconv.Itoa(n))
}

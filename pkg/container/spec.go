package container

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Spec says what to start.
type Spec struct {
	// Rootfs is the image's files and configuration, from Unpack. Close it
	// after the container.
	Rootfs *Rootfs
	// Args take the place of the image's Cmd, Entrypoint that of its
	// entrypoint (with which its Cmd falls away, as in docker run); nil: the
	// image's own.
	Args, Entrypoint []string
	// Env is added to the image's environment, each NAME=value; the last of a
	// name counts.
	Env []string
	// Dir is the working directory in the container, "" for the image's.
	Dir string
	// User is as in a Dockerfile's USER, "" for the image's.
	User string
	// Hostname is "localhost" where it is empty.
	Hostname string
	// Mounts are folders and files of the host.
	Mounts []Mount
	// Stdin is the container's input, nil for none.
	Stdin io.Reader
	// Stdout and Stderr get the output, nil for nowhere. A Write that blocks
	// holds the container up. Where both are the same writer, what comes stays
	// in its order.
	Stdout, Stderr io.Writer
	// Runtime is the path of an OCI runtime (FindRuntime), runc or crun, that
	// starts the image's program; "" for imgbuild itself. With it a process of
	// imgbuild stays beside the container's, and counts against Memory.
	Runtime string
	// Memory is how many bytes the container's processes may have, with what
	// they write to its root, and CPU how many cores; 0 is no limit. They are
	// kept by a control group where this process may make one
	// (Container.Unlimited).
	Memory int64
	CPU    float64
	// Disk is how many bytes the container may write to its root, 0 for 1 GiB.
	// They lie in memory.
	Disk int64
}

// Mount makes a file or folder of the host visible in the container.
type Mount struct {
	// Source is an absolute path of the host, Target one in the container,
	// made where it is not there.
	Source, Target string
	ReadOnly       bool
}

const defaultDisk = 1 << 30

// setup is what the container's first process is told: all of it is decided
// before it starts. It travels as JSON.
type setup struct {
	// Base is an empty folder to mount on, Lower the unpacked image.
	Base, Lower string
	// Copy is a copy of the image that the container may change, where this
	// machine has no overlayfs for us; else empty.
	Copy string
	// Nested: the container is in a user namespace.
	Nested   bool
	Argv     []string
	Env      []string
	Dir      string
	User     string
	Hostname string
	Mounts   []Mount
	Disk     int64
	// Runtime is the OCI runtime to call, and Config what it is told.
	Runtime string
	Config  *specs.Spec
	// Groups are the folders of the container's control group that it sees, by
	// their places in it.
	Groups map[string]string
}

func (s Spec) setup() (*setup, error) {
	if s.Rootfs == nil {
		return nil, errors.New("no image to start")
	}
	config := s.Rootfs.config
	entrypoint, args := config.Entrypoint, config.Cmd
	if s.Entrypoint != nil {
		entrypoint, args = s.Entrypoint, nil
	}
	if s.Args != nil {
		args = s.Args
	}
	argv := slices.Concat(entrypoint, args)
	if len(argv) == 0 {
		return nil, errors.New("the image has neither entrypoint nor command: say what to run")
	}
	for _, m := range s.Mounts {
		if !filepath.IsAbs(m.Source) || !filepath.IsAbs(m.Target) {
			return nil, fmt.Errorf("mounting %s to %s: both must be absolute paths", m.Source, m.Target)
		}
	}
	return &setup{
		Base: filepath.Join(s.Rootfs.dir, "base"), Lower: s.Rootfs.Path(),
		Argv: argv, Env: merge(config.Env, s.Env),
		Dir: cmp.Or(s.Dir, config.WorkingDir, "/"), User: cmp.Or(s.User, config.User, "0"),
		Hostname: cmp.Or(s.Hostname, "localhost"), Mounts: s.Mounts, Disk: cmp.Or(s.Disk, defaultDisk), Runtime: s.Runtime,
	}, nil
}

// defaultPath is what Docker gives to images that have no PATH.
const defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// merge joins environments; of one name the last value counts, at its first
// place.
func merge(envs ...[]string) []string {
	var out []string
	at := map[string]int{}
	for _, v := range slices.Concat(envs...) {
		name, _, _ := strings.Cut(v, "=")
		if i, ok := at[name]; ok {
			out[i] = v
			continue
		}
		at[name] = len(out)
		out = append(out, v)
	}
	if _, ok := at["PATH"]; !ok {
		out = append(out, defaultPath)
	}
	return out
}

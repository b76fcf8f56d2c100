package build

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/client/llb"

	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/step"
)

// RunError says that an engine does not run commands.
type RunError struct{ Layer, Image string }

func (e *RunError) Error() string {
	return fmt.Sprintf("layer %s of %s runs a command, which needs BuildKit; make the image with imgbuild DEFINITION --engine buildkit, after which its layers are in the store for every command; docs/engines.md says how to get a BuildKit", e.Layer, e.Image)
}

// runKey names all that a layer of a command is made from: what it runs, on
// what, and when. There is no hash in the lock to expect.
func (j *job) runKey(compression string) string {
	h := sha256.New()
	e := json.NewEncoder(h)
	files := map[string][]byte{}
	for _, f := range j.layer.Run.Files {
		files[f.Source] = j.request.Definition.Files[f.Source]
	}
	// What is encoded has no value that JSON refuses.
	_ = e.Encode([]any{j.layer.Run, files, j.env, j.platform})
	for _, below := range j.under {
		_ = e.Encode(below.key)
	}
	return fmt.Sprintf("run %x %s", h.Sum(nil), compression)
}

// date is the time that a command finds in SOURCE_DATE_EPOCH, and the latest
// that a file of its layer has.
func (j *job) date() time.Time {
	if t, err := time.Parse(time.RFC3339, j.layer.Run.Date); err == nil {
		return t.UTC()
	}
	return definition.DefaultDate
}

// root is the file system that those layers make, one over the other.
func (v *vertices) root(jobs []*job, platform string) (llb.State, error) {
	p, err := platforms.Parse(platform)
	if err != nil {
		return llb.State{}, err
	}
	root := llb.Scratch()
	for _, below := range jobs {
		if below.layer.Image != nil {
			root = v.base(below.layer.Image.Ref, p)
			continue
		}
		from, err := v.layer(below)
		if err != nil {
			return llb.State{}, err
		}
		if root, err = v.unpack(root, from, below.title()); err != nil {
			return llb.State{}, err
		}
	}
	return root.Platform(p), nil
}

// unpack lays a finished layer over a root.
func (v *vertices) unpack(root, from llb.State, title string) (llb.State, error) {
	ex, err := v.step("unpack "+title, step.Spec{Unpack: &step.Unpack{Layer: "/layer", Root: "/root"}}, llb.AddMount("/layer", from, llb.Readonly))
	if err != nil {
		return llb.State{}, err
	}
	return ex.AddMount("/root", root), nil
}

// runFiles is where a command finds the files that it was given.
const runFiles = "/run/imgbuild"

// run is a layer of what a command changes.
func (v *vertices) run(j *job) (llb.State, error) {
	root, err := v.root(j.under, j.platform)
	if err != nil {
		return llb.State{}, err
	}
	p, err := platforms.Parse(j.platform)
	if err != nil {
		return llb.State{}, err
	}
	network := llb.NetModeNone
	if j.layer.Run.Network {
		network = llb.NetModeSandbox
	}
	opts := []llb.RunOption{
		llb.Args([]string{"/bin/sh", "-e", "-c", j.layer.Run.Script}),
		llb.Dir("/"),
		llb.Network(network),
		llb.Platform(p),
		llb.WithCustomName("run " + j.title()),
		llb.AddEnv("SOURCE_DATE_EPOCH", strconv.FormatInt(j.date().Unix(), 10)),
		llb.AddMount("/tmp", llb.Scratch(), llb.Tmpfs()),
	}
	if v.place != nil {
		opts = append(opts, v.place(j))
	}
	for _, e := range j.env {
		opts = append(opts, llb.AddEnv(e.Name, e.Value))
	}
	if files := j.layer.Run.Files; len(files) > 0 {
		given := llb.Scratch()
		for _, f := range files {
			mode := 0o644
			if f.Mode != "" {
				m, err := strconv.ParseInt(f.Mode, 8, 32)
				if err != nil {
					return llb.State{}, fmt.Errorf("%s: mode %q is not octal", f.Path, f.Mode)
				}
				mode = int(m)
			}
			content := []byte(f.Content)
			if f.Source != "" {
				content = j.request.Definition.Files[f.Source]
			}
			name := "/" + strings.TrimPrefix(f.Path, "/")
			given = given.File(llb.Mkdir(path.Dir(name), 0o755, llb.WithParents(true)).Mkfile(name, fs.FileMode(mode), content),
				llb.WithCustomName("[internal] give "+f.Path))
		}
		opts = append(opts, llb.AddMount(runFiles, given, llb.Readonly))
	}
	after := root.Run(opts...).Root()
	return v.assemble(j.title(), step.Spec{
		Compression: v.compression,
		Difference:  &step.Difference{Lower: "/lower", Upper: "/upper", Date: j.date()},
	}, llb.AddMount("/lower", root, llb.Readonly), llb.AddMount("/upper", after, llb.Readonly))
}

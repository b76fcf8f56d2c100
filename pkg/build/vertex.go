package build

import (
	"encoding/json"
	"fmt"
	"path"

	"github.com/moby/buildkit/client/llb"
	godigest "github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/imgbuild/imgbuild/pkg/assemble"
	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/step"
)

// vertices writes layers as BuildKit's steps (vertices of its graph): each runs
// the assembler of package step without network, on inputs that BuildKit
// fetches and compares with their hashes.
type vertices struct {
	// assembler is a root that has imgbuild, for a machine of platform.
	assembler llb.State
	platform  ocispecs.Platform
	// toolchain is the locked Go for that machine.
	toolchain   lock.Input
	compression layer.Compression
	// mount mounts inputs below step.InDir.
	mount func([]lock.Input) ([]llb.RunOption, error)
	// base is an existing image of that digest.
	base func(ref string, p ocispecs.Platform) llb.State
	// place, where it is set, is where a layer stands in its definition.
	place func(j *job) llb.ConstraintsOpt
	// made are layers that are finished, by their jobs' keys.
	made map[string]llb.State
}

// existing is the base that the builder pulls itself.
func existing(ref string, p ocispecs.Platform) llb.State {
	return llb.Image(ref, llb.Platform(p), llb.WithCustomName("take "+ref))
}

// layer is the folder that a job's layer is left in.
func (v *vertices) layer(j *job) (llb.State, error) {
	if done, ok := v.made[j.key]; ok {
		return done, nil
	}
	if j.layer.Run != nil {
		return v.run(j)
	}
	s := step.Spec{Compression: v.compression}
	if j.layer.Shim != nil {
		s.Shim = &step.Shim{Platform: j.platform, Toolchain: v.toolchain}
		// Most of the time goes into packages that are the same each time.
		return v.assemble(j.title(), s, llb.AddMount(step.GoCache, llb.Scratch(), llb.AsPersistentCacheDir("imgbuild-go", llb.CacheMountLocked)))
	}
	spec := j.spec()
	s.Layer = &spec
	return v.assemble(j.title(), s)
}

func (v *vertices) assemble(title string, s step.Spec, more ...llb.RunOption) (llb.State, error) {
	mounts, err := v.mount(s.Inputs())
	if err != nil {
		return llb.State{}, err
	}
	ex, err := v.step(title, s, append(mounts, more...)...)
	if err != nil {
		return llb.State{}, err
	}
	return ex.AddMount(step.OutDir, llb.Scratch()), nil
}

// step runs the assembler.
func (v *vertices) step(title string, s step.Spec, opts ...llb.RunOption) (llb.ExecState, error) {
	spec, err := json.Marshal(s.Portable())
	if err != nil {
		return llb.ExecState{}, err
	}
	described := llb.Scratch().File(llb.Mkfile("/"+step.SpecFile, 0o444, spec), llb.WithCustomName("[internal] describe "+title))
	return v.assembler.Run(append([]llb.RunOption{
		llb.Args([]string{step.Program, step.Command}),
		llb.Dir("/"),
		llb.Network(llb.NetModeNone),
		llb.ReadonlyRootFS(),
		llb.AddMount(step.SpecDir, described, llb.Readonly),
		llb.Platform(v.platform),
		llb.WithCustomName(title),
	}, opts...)...), nil
}

// fetchTitle is what the names of steps that fetch begin with.
const fetchTitle = "fetch "

// fetched mounts inputs that the builder fetches from where url says, the try-th
// place. secret names the session's secret that authorizes that, "" for none.
func fetched(url func(lock.Input) (url, secret string, err error), try int) func([]lock.Input) ([]llb.RunOption, error) {
	return func(inputs []lock.Input) ([]llb.RunOption, error) {
		var out []llb.RunOption
		for _, in := range inputs {
			from, secret, err := url(in)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", in.ID, err)
			}
			opts := []llb.HTTPOption{
				llb.Checksum(godigest.NewDigestFromEncoded(godigest.SHA256, in.SHA256)),
				llb.Filename(in.SHA256),
				llb.Chmod(0o444),
				// BuildKit takes steps that fetch the same for one, wherever from,
				// also where it has failed. Of another owner it is another file.
				llb.Chown(try, 0),
				llb.WithCustomName(fetchTitle + in.Name + " " + in.Version),
			}
			if secret != "" {
				opts = append(opts, llb.AuthHeaderSecret(secret))
			}
			out = append(out, llb.AddMount(path.Join(step.InDir, in.SHA256), llb.HTTP(from, opts...), llb.Readonly))
		}
		return out, nil
	}
}

// localInputs is the name of the folder of inputs that are sent from here.
const localInputs = "imgbuild-inputs"

// sent mounts inputs that are in the store of this machine. They are all that
// the builder may read there.
func (s *building) sent(inputs []lock.Input) ([]llb.RunOption, error) {
	if len(inputs) == 0 {
		return nil, nil
	}
	if err := s.Fetch.All(s.ctx, inputs); err != nil {
		return nil, err
	}
	var files []string
	for _, in := range inputs {
		if err := s.sending.Hand(in.SHA256, s.Inputs.Path(assemble.Hash(in))); err != nil {
			return nil, fmt.Errorf("sending %s: %w", in.ID, err)
		}
		files = append(files, in.SHA256)
	}
	from := llb.Local(localInputs, llb.IncludePatterns(files), llb.SharedKeyHint(localInputs),
		llb.WithCustomName(fmt.Sprintf("[internal] send %d inputs from here", len(files))))
	return []llb.RunOption{llb.AddMount(step.InDir, from, llb.Readonly)}, nil
}

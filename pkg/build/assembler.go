package build

import (
	"archive/tar"
	"debug/elf"
	"fmt"
	"os"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/step"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// Assemblers are imgbuild's own programs by the platforms that they run on:
// what a builder runs is this one where it has this machine's platform.
type Assemblers map[string]string

// machines are the ELF machines of platforms.
var machines = map[elf.Machine]string{elf.EM_X86_64: "linux/amd64", elf.EM_AARCH64: "linux/arm64"}

// NewAssemblers takes the programs with those paths, beside this one itself.
func NewAssemblers(paths ...string) (Assemblers, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	out := Assemblers{}
	for i, path := range append(paths, self) {
		platform, err := assemblerPlatform(path)
		if err != nil {
			if i == len(paths) {
				continue // said where it is needed
			}
			return nil, err
		}
		if out[platform] == "" {
			out[platform] = path
		}
	}
	return out, nil
}

// assemblerPlatform is the platform of a program that runs with nothing else in
// its root.
func assemblerPlatform(path string) (string, error) {
	f, err := elf.Open(path)
	if err != nil {
		return "", fmt.Errorf("%s is no program of Linux: %w", path, err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return "", fmt.Errorf("%s is linked to a C library, which a builder's empty root has not; compile it with CGO_ENABLED=0", path)
		}
	}
	platform, ok := machines[f.Machine]
	if !ok {
		return "", fmt.Errorf("%s is for %s; builders are amd64 or arm64", path, f.Machine)
	}
	return platform, nil
}

// Image is the program for a platform as an image of one layer.
func (a Assemblers) Image(s *store.Store, platform string, c layer.Compression) (v1.Image, error) {
	path, err := a.forPlatform(platform)
	if err != nil {
		return nil, err
	}
	return assemblerImage(s, path, platform, c)
}

// forPlatform returns the program for a builder of that platform.
func (a Assemblers) forPlatform(platform string) (string, error) {
	if path := a[platform]; path != "" {
		return path, nil
	}
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	if _, err := assemblerPlatform(self); err != nil {
		return "", fmt.Errorf("the builder cannot run this imgbuild: %w, or give one with --builder-program PATH", err)
	}
	return "", fmt.Errorf("the builder is %s, and this imgbuild is not; compile it for the builder with CGO_ENABLED=0 GOOS=linux GOARCH=%s, and give it with --builder-program PATH",
		platform, strings.TrimPrefix(platform, "linux/"))
}

// assemblerImage is the program as an image of one layer, which is in the store:
// so a builder that has it asks for it no second time.
func assemblerImage(s *store.Store, path, platform string, c layer.Compression) (v1.Image, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	sum, _, err := v1.SHA256(f)
	if err != nil {
		return nil, err
	}
	key := "assembler " + sum.Hex + " " + c.ID()
	l, ok := layer.Find(s, key)
	if !ok {
		if _, err := f.Seek(0, 0); err != nil {
			return nil, err
		}
		l, err = layer.Build(s, c, func(sink layer.Sink) error {
			return sink.Add(&tar.Header{Name: step.Program[1:], Typeflag: tar.TypeReg, Mode: 0o755, Size: fi.Size()}, f)
		})
		if err != nil {
			return nil, err
		}
		if err := l.Remember(key); err != nil {
			return nil, err
		}
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	if img, err = mutate.Append(img, mutate.Addendum{Layer: l, MediaType: c.MediaType()}); err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, _ = strings.Cut(platform, "/")
	return mutate.ConfigFile(img, config)
}

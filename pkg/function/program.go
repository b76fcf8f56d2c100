package function

import (
	"bufio"
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/layer"
)

// ProgramSource is a finished program.
type ProgramSource struct {
	// Dir is a folder with a file called bootstrap, which goes into the image
	// with all else in it.
	Dir string
	// Binary is a program that becomes bootstrap, and the only file.
	Binary string
}

// Program puts a finished program on the bases, one a platform, after it was
// seen to be one that runs there.
func (m *Maker) Program(ctx context.Context, src ProgramSource, platforms []string, bases []Base) ([]Function, error) {
	program := src.Binary
	if program == "" {
		program = filepath.Join(src.Dir, bootstrap)
	}
	for i, platform := range platforms {
		arch, err := architecture(platform)
		if err != nil {
			return nil, err
		}
		if err := m.checkRuns(ctx, program, arch, bases[i]); err != nil {
			return nil, err
		}
	}
	l, err := m.programFiles(ctx, src, program)
	if err != nil {
		return nil, err
	}
	out := make([]Function, len(platforms))
	for i := range out {
		out[i].Layers = []Layer{{Layer: l, name: "code"}}
	}
	return out, nil
}

func (m *Maker) programFiles(ctx context.Context, src ProgramSource, program string) (*layer.Layer, error) {
	if src.Binary != "" {
		l, _, err := m.programLayer(program)
		return l, err
	}
	ignored, err := readIgnored(src.Dir)
	if err != nil {
		return nil, err
	}
	files, err := scan(ctx, src.Dir, true, ignored.skip)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(files, func(f treeFile) bool { return f.name == bootstrap })
	if i < 0 {
		return nil, fmt.Errorf("%s is left out by .dockerignore", program)
	}
	files[i].mode = 0o755
	l, _, err := m.treeLayer(ctx, files)
	return l, err
}

// checkRuns says whether the program runs on the base.
func (m *Maker) checkRuns(ctx context.Context, program, arch string, base Base) error {
	fi, err := os.Stat(program)
	switch {
	case err != nil:
		return err
	case !fi.Mode().IsRegular():
		return fmt.Errorf("%s is not a file", program)
	}
	f, err := os.Open(program)
	if err != nil {
		return err
	}
	defer f.Close()
	first, err := bufio.NewReader(f).Peek(256)
	if err != nil && err != io.EOF {
		return fmt.Errorf("%s: %w", program, err)
	}
	has := func(p string) (bool, error) { return m.baseHas(ctx, base, p) }
	switch {
	case bytes.HasPrefix(first, []byte(elf.ELFMAG)):
		err = checkELF(f, arch, base.Name, has)
	case bytes.HasPrefix(first, []byte("#!")):
		err = checkScript(first, base.Name, has)
	default:
		err = errors.New("it is neither a Linux program (ELF) nor a script that begins with #!, so the kernel cannot start it")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", program, err)
	}
	return nil
}

// machines are the ELF machines of architectures.
var machines = map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}

// libraries is where the dynamic linker looks in images of Debian.
var libraries = map[string][]string{
	"amd64": {"/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib"},
	"arm64": {"/lib/aarch64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/lib", "/usr/lib"},
}

func checkELF(r io.ReaderAt, arch, base string, has func(string) (bool, error)) error {
	f, err := elf.NewFile(r)
	if err != nil {
		return fmt.Errorf("it is no whole ELF file: %w", err)
	}
	if f.Machine != machines[arch] {
		return fmt.Errorf("it is for %s, the image for linux/%s; compile it for that, or give --platform", f.Machine, arch)
	}
	if f.Type != elf.ET_EXEC && f.Type != elf.ET_DYN {
		return fmt.Errorf("it is an ELF file of type %s, no program", f.Type)
	}
	interpreter := ""
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			b, err := io.ReadAll(io.LimitReader(p.Open(), 4096))
			if err != nil {
				return err
			}
			interpreter = strings.TrimRight(string(b), "\x00")
		}
	}
	if interpreter == "" {
		return nil // static
	}
	if ok, err := has(interpreter); err != nil || !ok {
		return errors.Join(err, fmt.Errorf("it is linked dynamically, and %s has no %s; link it statically (for Go: CGO_ENABLED=0), or choose a base that has it, such as --base node:slim", base, interpreter))
	}
	needed, err := f.ImportedLibraries()
	if err != nil {
		return err
	}
	var missing []string
	for _, lib := range needed {
		found := false
		for _, dir := range libraries[arch] {
			if ok, err := has(path.Join(dir, lib)); err != nil {
				return err
			} else if found = found || ok; found {
				break
			}
		}
		if !found {
			missing = append(missing, lib)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("it needs %s, which %s does not have; link it statically, or bring them in an image of your own with a Dockerfile", strings.Join(missing, ", "), base)
	}
	return nil
}

// checkScript reads the first line of a script.
func checkScript(first []byte, base string, has func(string) (bool, error)) error {
	line, _, _ := bytes.Cut(first[2:], []byte("\n"))
	if bytes.HasSuffix(line, []byte("\r")) {
		return errors.New("its first line ends in a carriage return, which the kernel takes for a part of the name; save it with Unix line ends")
	}
	words := strings.Fields(string(line))
	if len(words) == 0 || !path.IsAbs(words[0]) {
		return fmt.Errorf("its first line %q names no program by its path", "#!"+string(line))
	}
	wants := []string{words[0]}
	if words[0] == "/usr/bin/env" && len(words) == 2 && !strings.HasPrefix(words[1], "-") {
		wants = words[1:] // where there is no env, the shim does its work
	}
	for _, w := range wants {
		found := false
		for _, p := range places(w) {
			ok, err := has(p)
			if err != nil {
				return err
			}
			found = found || ok
		}
		if !found {
			return fmt.Errorf("it begins with %q, and %s has no %s; %s", "#!"+string(line), base, w, fullHint(base))
		}
	}
	return nil
}

// fullHint says where a shell is.
func fullHint(base string) string {
	if full, ok := strings.CutSuffix(base, "-slim"); ok {
		return "a slim image has no shell, the full one has: --base " + full
	}
	return "choose a base that has it with --base"
}

// places are where a program may be that is named with or without its path.
func places(name string) (paths []string) {
	if path.IsAbs(name) {
		return []string{name}
	}
	for _, dir := range []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/go/bin"} {
		paths = append(paths, path.Join(dir, name))
	}
	return paths
}

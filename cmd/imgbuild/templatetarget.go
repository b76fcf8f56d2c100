package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/function"
	"github.com/imgbuild/imgbuild/pkg/template"
)

// orHere is the working directory where nothing is named.
func orHere(name string) string {
	if name == "" {
		return "."
	}
	return name
}

// hasTemplate says whether path is a folder with a template.
func hasTemplate(path string) bool {
	if fi, err := os.Stat(path); err != nil || !fi.IsDir() {
		return false
	}
	_, err := template.Find(path)
	return err == nil
}

// fromTemplate takes a function out of a template; name may be "" where there
// is one alone.
func (t *target) fromTemplate(path, name, runtime string) error {
	all, err := templateTargets(path, t.noDockerfile, runtime)
	if err != nil {
		return err
	}
	var names []string
	for _, one := range all {
		if names = append(names, one.function.Name); one.function.Name == name || name == "" && len(all) == 1 {
			*t = *one
			return nil
		}
	}
	if name == "" {
		return usage("%s has %d functions; name one of %s", path, len(all), strings.Join(names, ", "))
	}
	return usage("%s has no function %q; it has %s", path, name, strings.Join(names, ", "))
}

// templateTargets are the functions of a template, and where their code is: a
// code package in its folder; an image in the template's folder, which is built
// as imgbuild build does; and where there is nothing to build, its registry.
func templateTargets(path string, noDockerfile bool, runtime string) ([]*target, error) {
	functions, err := template.Load(path)
	if err != nil {
		return nil, err
	}
	if len(functions) == 0 {
		return nil, fmt.Errorf("%s has no function", path)
	}
	var all []*target
	for _, f := range functions {
		t, err := templateTarget(f, noDockerfile, runtime)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: the function %s: %w", f.File, f.Line, f.Name, err)
		}
		all = append(all, t)
	}
	return all, nil
}

func templateTarget(f template.Function, noDockerfile bool, runtime string) (*target, error) {
	t := &target{noDockerfile: noDockerfile}
	switch {
	case f.CodePackage():
		t.ref = codeFolder(f)
		if _, err := os.Stat(t.ref); err != nil {
			return nil, fmt.Errorf("its code: %w", err)
		}
	case canBuild(filepath.Dir(f.File)):
		t.ref = filepath.Dir(f.File)
	case f.Image == "":
		return nil, fmt.Errorf("it has neither code nor an image")
	case strings.HasSuffix(f.Image, template.NoDigest):
		return nil, fmt.Errorf("its image has not been pushed, and in %s is nothing to build", filepath.Dir(f.File))
	default:
		t.ref = f.Image
	}
	if err := t.resolve(runtime); err != nil {
		return nil, err
	}
	if f.CodePackage() && (t.has("bootstrap") || len(f.Entrypoint)+len(f.Command) > 0) {
		t.kind = targetFolder // whatever else it has
	}
	if t.kind == targetBuild && f.Image != "" {
		t.note = fmt.Sprintf("%s is built from %s; the image of its template is for the platform", f.Name, t.ref)
	}
	t.function = f
	return t, nil
}

// codeFolder is where the code of a function is.
func codeFolder(f template.Function) string {
	return filepath.Join(filepath.Dir(f.File), filepath.FromSlash(f.Code))
}

// canBuild says whether imgbuild build would find a function in a folder.
func canBuild(dir string) bool {
	if file, err := findDockerfile(dir); err == nil && file != "" {
		return true
	}
	_, err := function.Detect(dir)
	return err == nil
}

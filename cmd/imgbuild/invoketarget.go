package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/imgbuild/imgbuild/images"
	"github.com/imgbuild/imgbuild/pkg/source"
	"github.com/imgbuild/imgbuild/pkg/template"
)

// targetKind is what a function is to be started from.
type targetKind int

const (
	targetFolder targetKind = iota // a code package with a bootstrap
	targetBuild                    // a folder to build
	targetSource                   // an image in a layout or a registry
	targetOwn                      // an image inside imgbuild
	targetEngine                   // an image that docker or another has
)

// target is a function and where its code is.
type target struct {
	kind     targetKind
	function template.Function
	dir      string      // of a folder
	source   source.Name // of an image in a layout or a registry
	ref      string      // as it was named
	// dockerfile is that of a folder to build, "" where there is none or it is
	// not to be used.
	dockerfile   string
	noDockerfile bool
	note         string // what people should know of the choice
	// unchecked builds TypeScript without looking at types.
	unchecked bool
}

// target finds out what the argument means.
func (v *invoking) target(name string) (*target, error) {
	t := &target{ref: name, noDockerfile: v.noDockerfile}
	switch {
	case v.template != "":
		if err := t.fromTemplate(v.template, name, v.runtime); err != nil {
			return nil, err
		}
	case hasTemplate(orHere(name)):
		if err := t.fromTemplate(orHere(name), "", v.runtime); err != nil {
			return nil, err
		}
	default:
		t.ref = orHere(name)
		if err := t.resolve(v.runtime); err != nil {
			return nil, err
		}
	}
	v.templated = t.function.File != ""
	f := &t.function
	if v.timeout > 0 {
		f.Timeout = v.timeout
	}
	if v.port > 0 {
		f.Port = v.port
	}
	if len(v.env) > 0 {
		env := map[string]string{}
		for name, value := range f.Environment {
			env[name] = value
		}
		for _, e := range v.env {
			name, value, _ := strings.Cut(e, "=")
			env[name] = value
		}
		f.Environment = env
	}
	if v.http && !v.templated {
		f.Triggers = []template.Trigger{{Type: "http", Auth: "anonymous"}}
	}
	return t, nil
}

// resolve finds what ref is: what is there on the disk comes first.
func (t *target) resolve(runtime string) error {
	t.function = template.Function{Name: functionName(t.ref)} // the handler is the image's own
	fi, err := os.Stat(t.ref)
	switch {
	case err == nil && fi.IsDir():
		return t.folder()
	case err == nil:
		t.kind = targetSource
		t.source, err = source.Parse(t.ref)
		return err
	}
	if n, err := source.Parse(t.ref); err == nil {
		t.kind, t.source = targetSource, n
		return nil
	} else if errors.Is(err, fs.ErrNotExist) {
		return usageError{err}
	}
	if own, _ := splitRef(t.ref); slices.Contains(images.Names(), own) {
		_, err := ownImage(t.ref)
		if t.kind = targetOwn; err == nil || !slices.Contains(programs, runtime) {
			return err
		}
		// A tag that is none of ours: the program may have it.
	}
	if strings.HasPrefix(t.ref, "-") || strings.ContainsAny(t.ref, " \t\n") {
		return usage("%q is neither a folder nor an image", t.ref)
	}
	t.kind = targetEngine
	return nil
}

// folder finds out what a folder is.
func (t *target) folder() (err error) {
	if t.dir, err = filepath.Abs(t.ref); err != nil {
		return err
	}
	if t.has("oci-layout") {
		t.kind = targetSource
		t.source, err = source.Parse(t.ref)
		return err
	}
	if !t.noDockerfile {
		if t.dockerfile, err = findDockerfile(t.dir); err != nil {
			return err
		}
		if t.dockerfile != "" && unfilled(t.dockerfile) { // imgbuild build leaves it out, and says so
			t.dockerfile, t.noDockerfile = "", true
		}
	}
	t.kind = targetBuild
	if t.dockerfile == "" && t.has("bootstrap") && !t.sources() {
		t.kind = targetFolder
	}
	return nil
}

// sources says whether the folder has what imgbuild builds without a
// Dockerfile.
func (t *target) sources() bool { return t.has("go.mod") || t.has("package.json") }

func (t *target) has(name string) bool {
	_, err := os.Stat(filepath.Join(t.dir, name))
	return err == nil
}

// functionName is what a function is called that nobody has named.
func functionName(ref string) string {
	name, _ := splitRef(ref)
	name, _, _ = strings.Cut(name, "@")
	if abs, err := filepath.Abs(name); err == nil {
		name = abs
	}
	name = strings.TrimSuffix(filepath.Base(name), ".tar")
	return strings.Trim(unfit().ReplaceAllString(strings.ToLower(name), "-"), "-")
}

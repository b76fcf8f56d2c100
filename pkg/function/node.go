package function

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/imgbuild/imgbuild/internal/lazyregexp"
	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/toolbox"
)

// NodeSource is a function for Node.js, in JavaScript or TypeScript.
type NodeSource struct {
	// Dir is the folder, by its absolute path.
	Dir string
	// TypeScript says that there is something to compile.
	TypeScript bool
	// Unchecked compiles without looking at types, where there is a
	// tsconfig.json: several times faster, for a function that is being edited.
	Unchecked bool
	// Handler is the handler to call, index.handler, where it is no program.
	Handler string
	// HandlerFrom is who says so, for people; "" is the flag --handler.
	HandlerFrom string
	// Bases are what it is put on, one a platform.
	Bases []Base
	// AllowScripts runs the install scripts of packages.
	AllowScripts bool
	// Tools returns the locked Node.js and its tools for this machine. It is
	// called where they are needed.
	Tools func(context.Context) (*toolbox.NodeTools, error)
}

// nodeBuild is one build of it.
type nodeBuild struct {
	m       *Maker
	src     NodeSource
	project *project
	ignored *ignored
	tools   *toolbox.NodeTools
	// noBootstrap says why the file bootstrap cannot start on the base.
	noBootstrap error
}

// Node prepares the function for the platforms: its code is the same on all,
// what it depends on is not.
func (m *Maker) Node(ctx context.Context, src NodeSource, platforms []string) ([]Function, error) {
	n := &nodeBuild{m: m, src: src}
	var err error
	if n.project, err = readProject(src.Dir); err != nil {
		return nil, err
	}
	if n.ignored, err = readIgnored(src.Dir); err != nil {
		return nil, err
	}
	if err := n.checkScripts(platforms); err != nil {
		return nil, err
	}
	if err := n.checkBootstrap(ctx, platforms); err != nil {
		return nil, err
	}
	code, begin, err := n.code(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]Function, len(platforms))
	for i, platform := range platforms {
		arch, err := architecture(platform)
		if err != nil {
			return nil, err
		}
		if len(n.project.installs(false)) > 0 {
			if err := n.findTools(ctx); err != nil {
				return nil, err
			}
			l, err := m.dependencyLayer(ctx, n, arch)
			if err != nil {
				return nil, err
			}
			out[i].Layers = append(out[i].Layers, Layer{Layer: l, name: "dependencies"})
		}
		out[i].Layers = append(out[i].Layers, Layer{Layer: code, name: "code"})
		out[i].Cmd, out[i].Env = begin.Cmd, begin.Env
		if begin.Handler != "" {
			out[i].Env = append(slices.Clone(begin.Env), "FC_FUNCTION_HANDLER="+begin.Handler)
		}
	}
	m.Note("%s %s", filepath.Base(src.Dir), begin)
	return out, nil
}

func (n *nodeBuild) findTools(ctx context.Context) (err error) {
	if n.tools == nil {
		n.tools, err = n.src.Tools(ctx)
	}
	return err
}

// checkScripts tells of packages that would run a script, or refuses to run
// them for another machine than this one.
func (n *nodeBuild) checkScripts(platforms []string) error {
	for _, platform := range platforms {
		arch, err := architecture(platform)
		if err != nil {
			return err
		}
		names := n.project.scripted(arch, false)
		switch {
		case len(names) == 0:
		case !n.src.AllowScripts:
			n.m.Note("warning: %s: install scripts are not run, of %s; where one is needed (it compiles an extension, or downloads something), --allow-scripts runs them, or build with a Dockerfile",
				platform, strings.Join(names, ", "))
		case platform != toolbox.ThisMachine():
			return fmt.Errorf("--allow-scripts runs scripts on this machine, which is %s, so it cannot be for %s; build there, or with a Dockerfile", toolbox.ThisMachine(), platform)
		default:
			n.m.Note("warning: the install scripts of %s were run on this machine: the image may differ from one built elsewhere", strings.Join(names, ", "))
		}
	}
	return nil
}

// checkBootstrap finds out whether a file called bootstrap, which the shim
// starts before all else, runs on the bases. Where it does not, it stays out of
// the image: it is for a base with a shell, and what package.json says starts
// without one.
func (n *nodeBuild) checkBootstrap(ctx context.Context, platforms []string) error {
	path := filepath.Join(n.src.Dir, bootstrap)
	if !isFile(path) {
		return nil
	}
	for i, platform := range platforms {
		arch, err := architecture(platform)
		if err != nil {
			return err
		}
		if n.noBootstrap = n.m.checkRuns(ctx, path, arch, n.src.Bases[i]); n.noBootstrap != nil {
			return context.Cause(ctx)
		}
	}
	if n.src.Handler != "" {
		return fmt.Errorf("%s is started in place of the handler %s; leave out --handler, or name the file otherwise", path, n.src.Handler)
	}
	return nil
}

// skip is what stays out of the code layer.
func (n *nodeBuild) skip(name string, isDir bool) (bool, error) {
	if name == bootstrap && n.noBootstrap != nil {
		return true, nil
	}
	return n.ignored.skip(name, isDir)
}

// bootstrap is the file that the shim starts where no command is given.
const bootstrap = "bootstrap"

// code is the layer with the function's own files, and how they begin.
func (n *nodeBuild) code(ctx context.Context) (*layer.Layer, start, error) {
	files, err := scan(ctx, n.src.Dir, true, n.skip)
	if err != nil {
		return nil, start{}, err
	}
	if n.src.TypeScript && !n.asItIs(files) {
		return n.compiled(ctx, files)
	}
	exists, read := inFolder(n.src.Dir)
	begin, err := n.begin(files, "", exists, read)
	if err != nil {
		return nil, begin, err
	}
	l, _, err := n.m.treeLayer(ctx, files)
	return l, begin, err
}

// begin finds the start among files that will be in the image. outDir, where
// it is not empty, is the folder of those that were compiled.
func (n *nodeBuild) begin(files []treeFile, outDir string, exists func(string) bool, read func(string) string) (start, error) {
	there := map[string]*treeFile{}
	for i, f := range files {
		there[f.name] = &files[i]
	}
	in := func(name string) bool { return there[name] != nil && exists(name) }
	if n.src.Handler != "" {
		return n.handler(outDir, in)
	}
	begin, ok := n.project.findStart(outDir, in, read, n.m.Note)
	if !ok && n.noBootstrap != nil {
		return begin, n.noBootstrap
	}
	if n.noBootstrap != nil {
		n.m.Note("bootstrap is left out: %v", n.noBootstrap)
	}
	if !ok {
		return begin, fmt.Errorf("%s does not say how it starts: there is neither bootstrap, nor a start script `node FILE` in package.json, nor a main there, nor one of server.js, index.js and app.js; add one, or name a handler with --handler index.handler", n.src.Dir)
	}
	if begin.File == bootstrap {
		there[bootstrap].mode = 0o755 // it is started by itself
	}
	return begin, nil
}

// handlerName is FILE.FUNCTION, where FILE has no extension.
var handlerName = lazyregexp.New(`^([A-Za-z0-9_@./-]+)\.([A-Za-z_$][A-Za-z0-9_$]*)$`)

// handler checks the name that was given.
func (n *nodeBuild) handler(outDir string, in func(string) bool) (start, error) {
	m := handlerName().FindStringSubmatch(n.src.Handler)
	if m == nil || !filepath.IsLocal(m[1]) {
		return start{}, fmt.Errorf("--handler %q is no handler; one is FILE.FUNCTION, such as index.handler", n.src.Handler)
	}
	for _, stem := range []string{path.Clean(m[1]), path.Join(outDir, m[1])} {
		for _, e := range slices.Concat(extensions, []string{".ts", ".mts", ".cts"}) {
			if in(stem + e) {
				return start{Handler: stem + "." + m[2], File: stem + e, From: cmp.Or(n.src.HandlerFrom, "--handler")}, nil
			}
		}
	}
	return start{}, fmt.Errorf("--handler %s: there is no %s.js in the function", n.src.Handler, m[1])
}

package function

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/progress"
	"github.com/imgbuild/imgbuild/pkg/toolbox"
)

// asItIs says whether the sources themselves are started: by Node.js, which
// strips types, or by what a bootstrap that names a .ts file runs.
func (n *nodeBuild) asItIs(files []treeFile) bool {
	there := map[string]bool{}
	for _, f := range files {
		there[f.name] = true
	}
	_, read := inFolder(n.src.Dir)
	if there[bootstrap] {
		return strings.Contains(read(bootstrap), ".ts")
	}
	if n.src.Handler != "" {
		return false
	}
	if script := n.project.manifest.Scripts["start"]; script != "" {
		s, ok := parseStart(script, func(name string) bool { return there[name] })
		return ok && isTypeScript(s.File)
	}
	return isTypeScript(n.project.manifest.Main)
}

// compiledKind is the kind of the store's records: sources → what was made of
// them.
const compiledKind = "typescript-function"

// compiledCode is such a record.
type compiledCode struct {
	Layer string `json:"layer"` // its key
	Start start  `json:"start"`
}

// compiled is the code layer of a function that must be compiled. Of the same
// sources it is made once.
func (n *nodeBuild) compiled(ctx context.Context, files []treeFile) (*layer.Layer, start, error) {
	if err := n.findTools(ctx); err != nil {
		return nil, start{}, err
	}
	depends := ""
	if n.project.raw != nil {
		var err error
		if depends, err = n.project.dependencies(); err != nil {
			return nil, start{}, err
		}
	}
	key := fmt.Sprintf("%s %s %s handler=%s scripts=%v %s", treeKey(files), depends, n.tools.Key, n.src.Handler, n.src.AllowScripts, n.m.Compression.ID())
	if n.src.Unchecked {
		key += " unchecked"
	}
	step := progress.Start(ctx, "compile TypeScript", 0)
	var c compiledCode
	if ok, err := n.m.Store.Record(compiledKind, key, &c); err != nil {
		return nil, c.Start, err
	} else if ok {
		if l, ok := layer.Find(n.m.Store, c.Layer); ok {
			step.Cached()
			step.Done(nil)
			return l, c.Start, nil
		}
	}
	l, err := n.compile(ctx, files, depends, &c)
	step.Done(err)
	if err != nil {
		return nil, c.Start, err
	}
	return l, c.Start, n.m.Store.PutRecord(compiledKind, key, c)
}

// compile compiles in a folder of its own. What is there then, but for the
// sources, is the code.
func (n *nodeBuild) compile(ctx context.Context, files []treeFile, depends string, c *compiledCode) (*layer.Layer, error) {
	dir, err := n.m.Store.TempDir("typescript-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	for _, f := range files {
		if err := f.copyTo(filepath.Join(dir, filepath.FromSlash(f.name))); err != nil {
			return nil, n.m.Store.Explain(err)
		}
	}
	if err := n.developmentPackages(ctx, dir, depends); err != nil {
		return nil, err
	}
	outDir, err := n.outDir(ctx, dir)
	if err != nil {
		return nil, err
	}
	if outDir != "" {
		// What the author's own compiler has left there.
		if err := os.RemoveAll(filepath.Join(dir, filepath.FromSlash(outDir))); err != nil {
			return nil, err
		}
	}
	if err := n.tsc(ctx, dir); err != nil {
		return nil, err
	}
	made, err := scan(ctx, dir, true, func(name string, _ bool) (bool, error) {
		e := path.Ext(name)
		return name == "node_modules" || isTypeScript(name) || e == ".tsx" || e == ".tsbuildinfo", nil
	})
	if err != nil {
		return nil, err
	}
	exists, read := inFolder(dir)
	if c.Start, err = n.begin(made, outDir, exists, read); err != nil {
		return nil, err
	}
	l, key, err := n.m.treeLayer(ctx, made)
	c.Layer = key
	return l, err
}

// tsc compiles what is in dir.
func (n *nodeBuild) tsc(ctx context.Context, dir string) error {
	if n.src.Unchecked && isFile(filepath.Join(dir, tsconfig)) {
		done, err := n.unchecked(ctx, dir)
		if done || err != nil {
			return err
		}
	}
	if said, err := n.run(ctx, dir, n.tools.Compiler, dir); err != nil {
		return fmt.Errorf("%w\n%s", err, head(said))
	}
	return nil
}

const tsconfig = "tsconfig.json"

// unchecked compiles with a tsconfig.json that adds noCheck to the function's
// own, which is put back. It says false where the compiler fails: one before
// TypeScript 5.6 does not know noCheck, and of other errors the whole compile
// tells better.
func (n *nodeBuild) unchecked(ctx context.Context, dir string) (done bool, err error) {
	const own = "tsconfig.imgbuild.json"
	at, aside := filepath.Join(dir, tsconfig), filepath.Join(dir, own)
	if err := os.Rename(at, aside); err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, os.Rename(aside, at)) }()
	if err := os.WriteFile(at, []byte(`{"extends": "./`+own+`", "compilerOptions": {"noCheck": true}}`), 0o644); err != nil {
		return false, err
	}
	_, failed := n.run(ctx, dir, n.tools.Compiler, dir)
	if cause := context.Cause(ctx); cause != nil {
		return false, cause
	}
	return failed == nil, nil
}

// copyTo copies a file that was scanned.
func (f treeFile) copyTo(to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if f.link != "" {
		return os.Symlink(f.link, to)
	}
	in, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, os.FileMode(f.mode))
	if err != nil {
		return err
	}
	_, err = out.ReadFrom(in)
	if err := errors.Join(err, out.Close()); err != nil {
		return err
	}
	// What is kept of the result is found by the sum.
	if sum, err := hashFile(to); err != nil || !bytes.Equal(sum, f.sum) {
		return errors.Join(err, fmt.Errorf("%s has changed while it was read; run the command again", f.path))
	}
	return nil
}

// developmentPackages puts all that the project depends on beside the sources,
// for the types of it and for the compiler that the project brings. They are
// kept for the next time.
func (n *nodeBuild) developmentPackages(ctx context.Context, dir, depends string) error {
	if len(n.project.installs(true)) == 0 {
		return nil
	}
	_, arch, _ := strings.Cut(toolbox.ThisMachine(), "/")
	key := fmt.Sprintf("development packages 1 %s %s %q", depends, n.tools.Key, n.flags(arch, true))
	kept, err := toolbox.Keep(ctx, n.m.Store, "packages for compiling", key, func(dir string) error {
		return n.m.install(ctx, n, dir, arch, true)
	})
	if err != nil {
		return err
	}
	return os.Symlink(filepath.Join(kept, "node_modules"), filepath.Join(dir, "node_modules"))
}

// outDir is tsconfig's, relative to dir, where it is a folder inside that has
// nothing else in it; else "".
func (n *nodeBuild) outDir(ctx context.Context, dir string) (string, error) {
	at := filepath.Join(dir, tsconfig)
	if !isFile(at) {
		return "", nil
	}
	// The very reading that fc-build and the adapter do, with what it extends.
	const script = `const { isAbsolute, join, relative } = require("node:path");
const folder = process.argv[2], o = require(process.argv[1]).of(folder), text = require("node:fs").readFileSync(join(folder, "tsconfig.json"), "utf8");
const within = (p) => typeof p === "string" && p !== "" ? relative(folder, isAbsolute(p) ? p : join(folder, p)) || "." : "";
// Unlike outDir these are as they are written, and relative to the file that has them.
const own = (k) => text.includes(JSON.stringify(k)) ? within(o[k]?.replaceAll?.("${configDir}", folder)) : "";
console.log(JSON.stringify({ rootDir: within(o.rootDir), out: {
  outDir: within(o.outDir), outFile: own("outFile"), declarationDir: own("declarationDir"), tsBuildInfoFile: own("tsBuildInfoFile") } }))`
	said, err := n.run(ctx, dir, "-e", script, n.tools.Settings, dir)
	if err != nil {
		return "", fmt.Errorf("reading tsconfig.json: %w\n%s", err, head(said))
	}
	var o struct {
		RootDir string            `json:"rootDir"`
		Out     map[string]string `json:"out"`
	}
	if err := json.Unmarshal([]byte(said), &o); err != nil {
		return "", fmt.Errorf("reading tsconfig.json: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(o.Out)) {
		// Else the compiler writes there, which is in nobody's image.
		if p := o.Out[name]; p != "" && !filepath.IsLocal(p) {
			return "", fmt.Errorf("%s in %s leads out of the function's folder, and what is there is not in the image; name a place inside, relative to tsconfig.json, such as dist", name, filepath.Join(n.src.Dir, tsconfig))
		}
	}
	out := filepath.ToSlash(o.Out["outDir"])
	if root := filepath.ToSlash(o.RootDir); out == "." || root == out || strings.HasPrefix(root, out+"/") {
		return "", nil
	}
	return out, nil
}

// run runs a script of the tools and returns what it says.
func (n *nodeBuild) run(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := toolbox.Command(ctx, n.tools.Node, args...)
	cmd.Dir, cmd.Env = dir, append(nodeEnv(n.tools.Node), "PWD="+dir)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	err := cmd.Run()
	if cause := context.Cause(ctx); cause != nil {
		return "", cause
	}
	if err != nil {
		err = fmt.Errorf("compiling: %w", err)
	}
	// Messages name the folder here, which is gone afterwards.
	return strings.ReplaceAll(said.String(), dir, n.src.Dir), err
}

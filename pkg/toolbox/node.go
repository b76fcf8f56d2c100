package toolbox

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/imgbuild/imgbuild/pkg/assemble"
	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// NodeTools are the programs of a full image of Node.js, unpacked on this machine.
type NodeTools struct {
	// Node is the interpreter's path.
	Node string
	// NPM is npm's script, for Node to run.
	NPM string
	// Compiler is the script of fc-build, and Settings the module that reads a
	// tsconfig.json; "" where the image has none.
	Compiler, Settings string
	// Key names all that is in them.
	Key string
}

// Node returns the tools of an image of the definition for this machine: what
// its npm packages and files put below /usr/local.
func Node(ctx context.Context, st *store.Store, d *definition.Definition, l *lock.Lock, img lock.Image, fetch func(context.Context, []lock.Input) error) (*NodeTools, error) {
	specs, err := nodeSpecs(d, l, img)
	if err != nil {
		return nil, err
	}
	key, err := nodeKey(specs)
	if err != nil {
		return nil, err
	}
	dir, err := Keep(ctx, st, "Node.js "+img.Version, key, func(dir string) error {
		var all []lock.Input
		for _, s := range specs {
			all = append(all, s.Inputs...)
		}
		if err := fetch(ctx, all); err != nil {
			return err
		}
		root, err := os.OpenRoot(dir)
		if err != nil {
			return err
		}
		defer root.Close()
		for _, s := range specs {
			if err := assemble.Fill(ctx, st, &folderSink{root, nodeFile}, s); err != nil {
				return err
			}
		}
		return try(ctx, filepath.Join(dir, "usr/local/bin/node"))
	})
	if err != nil {
		return nil, err
	}
	local := filepath.Join(dir, "usr/local")
	t := &NodeTools{Node: filepath.Join(local, "bin/node"), NPM: filepath.Join(local, "lib/node_modules/npm/bin/npm-cli.js"), Key: key}
	if c := filepath.Join(local, "lib/shim/build/main.js"); exists(c) {
		t.Compiler, t.Settings = c, filepath.Join(local, "lib/shim/node/tsconfig.js")
	}
	return t, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// nodeFile says which files of an image are its tools: npm's settings, which
// name a registry, are not.
func nodeFile(name string) bool {
	return strings.HasPrefix(name, "usr/local/bin/") || strings.HasPrefix(name, "usr/local/lib/")
}

// nodeSpecs are the layers that the tools come from.
func nodeSpecs(d *definition.Definition, l *lock.Lock, img lock.Image) (specs []assemble.Spec, err error) {
	variant := d.Variant(img.Variant)
	if variant == nil {
		return nil, fmt.Errorf("%s has no variant %q", d.Name, img.Variant)
	}
	values := definition.ValuesFor(img.Version, img.Series, img.Platform)
	_, arch, _ := strings.Cut(img.Platform, "/")
	for i, layer := range variant.Layers {
		if layer.NPM == nil && layer.Files == nil {
			continue
		}
		inputs, err := l.FindAll(img.Layers[i].Inputs)
		if err != nil {
			return nil, err
		}
		specs = append(specs, assemble.Spec{Layer: values.ExpandLayer(layer), Inputs: inputs, Files: d.Files, Arch: arch})
	}
	return specs, nil
}

func nodeKey(specs []assemble.Spec) (string, error) {
	h := sha256.New()
	for _, s := range specs {
		b, err := json.Marshal([]any{s.Layer, s.Inputs})
		if err != nil {
			return "", err
		}
		h.Write(b)
		for _, f := range s.Layer.Files {
			fmt.Fprintf(h, "%q %x\n", f.Source, sha256.Sum256(s.Files[f.Source]))
		}
	}
	return fmt.Sprintf("node 1 %x", h.Sum(nil)), nil
}

// ThisMachine is the platform whose programs run here.
func ThisMachine() string { return runtime.GOOS + "/" + runtime.GOARCH }

// tryDeadline is how long node may take to say its version.
const tryDeadline = 30 * time.Second

// try says whether the interpreter runs on this machine.
func try(ctx context.Context, node string) error {
	ctx, cancel := context.WithTimeout(ctx, tryDeadline)
	defer cancel()
	out, err := Command(ctx, node, "--version").CombinedOutput()
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return fmt.Errorf("the locked Node.js does not run on this machine, which takes Debian's libatomic1 and libstdc++6 (apt-get install libatomic1 libstdc++6): %w: %s", err, strings.TrimSpace(string(out)))
}

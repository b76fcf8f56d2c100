package function

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/internal/testtool"
)

func buildTypeScript(t testing.TB, m *Maker, w *workshop, dir string) Function {
	t.Helper()
	made, err := m.Node(t.Context(), NodeSource{Dir: dir, TypeScript: true, Bases: nodeBases(t), Tools: w.tools("typescript")}, []string{"linux/amd64"})
	if err != nil {
		t.Fatal(err)
	}
	return made[0]
}

func TestTypeScript(t *testing.T) {
	testtool.Whole(t)
	m, w, _ := maker(t)
	for _, tt := range []struct {
		name string
		dir  func() string
		cmd  []string
		env  []string
		code []string // of the code layer, without /code
	}{
		{"direct", func() string { return example(t, "typescript-direct") }, []string{"node", "server.ts"}, nil,
			[]string{"README.md", "package.json", "server.ts"}},
		{"a handler", func() string {
			dir := example(t, "typescript-handler")
			fill(t, dir, "dist/stale.js", "an older compiler's")
			return dir
		}, nil, []string{"FC_FUNCTION_HANDLER=dist/index.handler"},
			[]string{"README.md", "dist/greeting/greeter.js", "dist/greeting/greeter.js.map", "dist/index.js", "dist/index.js.map", "tsconfig.json"}},
		{"with its own compiler", func() string { return example(t, "typescript") }, []string{"node", "server.js"}, nil,
			[]string{"README.md", "package-lock.json", "package.json", "server.js", "server.js.map", "tsconfig.json"}},
		{"without a tsconfig", func() string {
			return folder(t, "server.ts", "import { createServer } from 'node:http';\ncreateServer((_, r) => r.end('x')).listen(9000);\n", "data.json", "{}")
		}, []string{"node", "server.js"}, nil, []string{"data.json", "server.js", "server.js.map"}},
		{"main in outDir", func() string {
			return folder(t, "package.json", `{"type": "module", "scripts": {"start": "node out/app.js", "test": "x"}}`, "src/app.ts", "import { a } from './a';\nconsole.log(a);\n", "src/a.ts", "export const a: number = 1;\n",
				"tsconfig.json", "{\n  // comments\n  \"compilerOptions\": {\"outDir\": \"out\", \"rootDir\": \"src\", \"module\": \"esnext\", \"moduleResolution\": \"bundler\", \"target\": \"es2024\",},\n}")
		}, []string{"node", "out/app.js"}, nil, []string{"out/a.js", "out/a.js.map", "out/app.js", "out/app.js.map", "package.json", "tsconfig.json"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := buildTypeScript(t, m, w, tt.dir())
			layer := f.Layers[len(f.Layers)-1]
			got := slices.Sorted(maps.Keys(content(t, layer)))
			for i := range got {
				got[i] = strings.TrimPrefix(got[i], "code/")
			}
			if !slices.Equal(got, tt.code) || !slices.Equal(f.Cmd, tt.cmd) || !slices.Equal(f.Env, tt.env) {
				t.Errorf("got %q, %q, %q", got, f.Cmd, f.Env)
			}
			// In another folder the same comes out, from the store and anew.
			again := buildTypeScript(t, m, w, tt.dir())
			if a, b := digest(t, layer), digest(t, again.Layers[len(again.Layers)-1]); a != b {
				t.Errorf("%s and %s", a, b)
			}
			tidy(t, w.store)
		})
	}
}

// Without a look at types the same code comes out, and types that are wrong are
// no error; what is no TypeScript is.
func TestTypeScriptUnchecked(t *testing.T) {
	testtool.Whole(t)
	m, w, _ := maker(t)
	build := func(dir string) (Function, error) {
		fs, err := m.Node(t.Context(), NodeSource{Dir: dir, TypeScript: true, Unchecked: true, Bases: nodeBases(t), Tools: w.tools("typescript")}, []string{"linux/amd64"})
		if err != nil {
			return Function{}, err
		}
		return fs[0], nil
	}
	dir := example(t, "typescript-handler")
	f, err := build(dir)
	if err != nil {
		t.Fatal(err)
	}
	checked := buildTypeScript(t, m, w, dir)
	if a, b := digest(t, f.Layers[len(f.Layers)-1]), digest(t, checked.Layers[len(checked.Layers)-1]); a != b {
		t.Errorf("%s and, checked, %s", a, b)
	}
	settings := []string{"tsconfig.json", `{"compilerOptions": {"outDir": "dist", "rootDir": "src"}}`}
	wrong := folder(t, append(settings, "src/index.ts", "export const handler = (): number => \"x\";\n")...)
	if _, err := build(wrong); err != nil {
		t.Errorf("a wrong type: %v", err)
	}
	if _, err := build(folder(t, append(settings, "src/index.ts", "export const = \n")...)); err == nil || !strings.Contains(err.Error(), "src/index.ts(1,14): error TS1134") {
		t.Errorf("no TypeScript: %v", err)
	}
	tidy(t, w.store)
}

func TestTypeScriptErrors(t *testing.T) {
	testtool.Whole(t)
	m, w, _ := maker(t)
	for name, tt := range map[string]struct {
		files []string
		want  string
	}{
		"a wrong type":     {[]string{"src/index.ts", "export const a: number = \"x\";\n", "tsconfig.json", `{"compilerOptions": {"outDir": "dist", "rootDir": "src"}}`}, "src/index.ts(1,14): error TS2322"},
		"a tsconfig":       {[]string{"index.ts", "", "tsconfig.json", `{"compilerOptions": `}, "is not a tsconfig"},
		"nothing to start": {[]string{"lib.ts", "export const a = 1;\n"}, "does not say how it starts"},
		"an outDir further up": {[]string{"index.ts", "export const a = 1;\n", "tsconfig.json", `{"compilerOptions": {"outDir": "../dist"}}`},
			"outDir in "},
		"an outDir elsewhere": {[]string{"index.ts", "export const a = 1;\n", "tsconfig.json", `{"compilerOptions": {"outDir": "/nowhere/dist"}}`},
			"leads out of the function's folder"},
		"an outDir that is extended": {[]string{"index.ts", "export const a = 1;\n", "sub/base.json", `{"compilerOptions": {"outDir": "../../dist"}}`, "tsconfig.json", `{"extends": "./sub/base.json"}`},
			"name a place inside"},
		"declarations further up": {[]string{"index.ts", "export const a = 1;\n", "tsconfig.json", `{"compilerOptions": {"outDir": "dist", "declaration": true, "declarationDir": "${configDir}/../types"}}`},
			"declarationDir in "},
		"notes further up": {[]string{"index.ts", "export const a = 1;\n", "tsconfig.json", `{"compilerOptions": {"outDir": "dist", "incremental": true, "tsBuildInfoFile": "../notes"}}`},
			"tsBuildInfoFile in "},
	} {
		t.Run(name, func(t *testing.T) {
			dir := folder(t, tt.files...)
			_, err := m.Node(t.Context(), NodeSource{Dir: dir, TypeScript: true, Bases: nodeBases(t), Tools: w.tools("typescript")}, []string{"linux/amd64"})
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), filepath.Join(w.store.Root(), "tmp")) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			tidy(t, w.store)
		})
	}
}

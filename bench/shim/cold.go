package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/imgbuild/imgbuild/bench/internal/measure"
	"github.com/imgbuild/imgbuild/internal/testtool"
)

// functions are what is started cold, all of them answering the same.
var functions = map[string]string{
	"bare/index.js":          "require('node:http').createServer((q, s) => { s.end('{}') }).listen(process.env.PORT, '127.0.0.1');\n",
	"node/index.js":          "exports.handler = async (event, context) => ({});\n",
	"compiled/index.js":      "\"use strict\";\nObject.defineProperty(exports, \"__esModule\", { value: true });\nexports.handler = void 0;\nconst handler = async (event, context) => ({});\nexports.handler = handler;\n//# sourceMappingURL=index.js.map\n",
	"compiled/index.js.map":  `{"version":3,"file":"index.js","sourceRoot":"","sources":["index.ts"],"names":[],"mappings":"AAAO,MAAM,OAAO,GAAG"}` + "\n",
	"compiled/tsconfig.json": "{\"compilerOptions\": {\"target\": \"es2022\", \"module\": \"commonjs\", \"strict\": true}}\n",
	"source/tsconfig.json":   "{\"compilerOptions\": {\"target\": \"es2022\", \"module\": \"commonjs\", \"strict\": true}}\n",
	"source/index.ts":        "enum Answer { None = 0 }\nexport const handler = async (event: Buffer, context: unknown): Promise<object> => ({ none: Answer.None });\n",
	"tsnode/tsconfig.json":   "{\"compilerOptions\": {\"target\": \"es2022\", \"module\": \"commonjs\"}}\n",
	"tsnode/index.ts":        "import { createServer } from 'node:http';\nenum Answer { None = 0 }\ncreateServer((_, s) => { s.end(JSON.stringify({ none: Answer.None })) }).listen(process.env.PORT);\n",
}

// cold measures the time from start to first answer of handlers through the
// shim, beside a server of three lines in plain Node.js.
func (b *bench) cold(ctx context.Context) error {
	for name, text := range functions {
		path := filepath.Join(b.dir, "functions", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	node, adapter, tsnode, err := b.install(ctx)
	if err != nil {
		return err
	}
	dir := func(name string) string { return filepath.Join(b.dir, "functions", name) }
	handler := func(name string) func() (*server, error) {
		return func() (*server, error) {
			env := []string{"FC_FUNCTION_HANDLER=index.handler", "FC_FUNC_CODE_PATH=" + dir(name), "PATH=" + filepath.Dir(node) + ":" + os.Getenv("PATH")}
			return b.underShim(ctx, env, dir(name), node, adapter)
		}
	}
	bare := func() (*server, error) { return b.alone(ctx, nil, dir("bare"), node, "index.js") }
	rows := []struct {
		name, limit string
		start       func() (*server, error)
	}{
		{"handler of Node.js, under the shim", "25 ms", handler("node")},
		{"handler of TypeScript, compiled, under the shim", "35 ms", handler("compiled")},
		{"handler of TypeScript, not compiled, under the shim", "185 ms", handler("source")},
		{"the same in ts-node, without a shim", "", func() (*server, error) { return b.alone(ctx, nil, dir("tsnode"), node, tsnode, "index.ts") }},
	}
	version, err := measure.Run(ctx, nil, node, "--version")
	if err != nil {
		return err
	}
	measure.Title(os.Stdout, "Cold start: from entry to first answer, Node.js "+string(version.Stdout[1:len(version.Stdout)-1]))
	samples := make([][]time.Duration, len(rows)+1)
	for n := range *starts + 1 {
		for i := range samples {
			f := bare
			if i > 0 {
				f = rows[i-1].start
			}
			if i == len(rows) && n > 3 {
				continue // over a second each
			}
			s, err := f()
			if err != nil {
				return err
			}
			s.stop()
			if n > 0 {
				samples[i] = append(samples[i], s.first)
			}
		}
	}
	same := func(d time.Duration) time.Duration { return d }
	base := middle(samples[0], same)
	t := measure.Table{Head: []string{"median of " + measure.Times(*starts), "time", "more", "limit"}}
	t.Add("http.createServer in plain node", milli(base), "", "")
	for i, row := range rows {
		d := middle(samples[i+1], same)
		t.Add(row.name, milli(d), milli(d-base), row.limit)
	}
	t.Print(os.Stdout)
	return nil
}

// install brings Node.js, esbuild and ts-node by npm, and lays the adapter out
// as the images have it.
func (b *bench) install(ctx context.Context) (node, adapter, tsnode string, err error) {
	arch := map[string]string{"amd64": "x64", "arm64": "arm64"}[runtime.GOARCH]
	at := filepath.Join(b.dir, "npm")
	_, err = measure.Run(ctx, nil, "npm", "install", "--prefix", at, "--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error",
		"node-linux-"+arch+"@24", "@esbuild/linux-"+arch, "typescript@5", "ts-node@10", "@types/node@24")
	if err != nil {
		return "", "", "", err
	}
	modules := filepath.Join(at, "node_modules")
	lib := filepath.Join(b.dir, "lib", "shim")
	err = errors.Join(
		os.MkdirAll(filepath.Join(lib, "bin"), 0o755),
		os.CopyFS(filepath.Join(lib, "node"), os.DirFS(filepath.Join(testtool.ModuleRoot(), "images", "typescript", "adapter"))),
		os.Link(filepath.Join(modules, "@esbuild", "linux-"+arch, "bin", "esbuild"), filepath.Join(lib, "bin", "esbuild")),
		os.Chmod(filepath.Join(lib, "bin", "esbuild"), 0o755),
		os.Symlink(modules, filepath.Join(b.dir, "functions", "node_modules")),
	)
	node = filepath.Join(modules, "node-linux-"+arch, "bin", "node")
	if err == nil {
		err = os.Chmod(node, 0o755)
	}
	if err != nil {
		return "", "", "", fmt.Errorf("laying out the adapter: %w", err)
	}
	return node, filepath.Join(lib, "node", "main.js"), filepath.Join(modules, "ts-node", "dist", "bin.js"), nil
}

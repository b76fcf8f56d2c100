package function

import "testing"

func TestHasHandler(t *testing.T) {
	const exports = "exports.main = async (event) => event;\n"
	for name, c := range map[string]struct {
		files   []string
		handler string
		want    bool
	}{
		"CommonJS":          {[]string{"index.js", exports}, "index.main", true},
		"a module":          {[]string{"lib/a.mjs", "export async function main() {}\n"}, "lib/a.main", true},
		"TypeScript":        {[]string{"index.ts", "export const main = 1;\n"}, "index.main", true},
		"a list":            {[]string{"index.mjs", "const main = 1;\nexport { a, main };\n"}, "index.main", true},
		"another":           {[]string{"index.js", exports}, "index.mai", false},
		"no such file":      {[]string{"index.js", exports}, "app.main", false},
		"a server":          {[]string{"index.js", exports + "http.createServer().listen(9000)\n"}, "index.main", false},
		"a start script":    {[]string{"index.js", exports, "package.json", `{"scripts": {"start": "node index.js"}}`}, "index.main", false},
		"a bootstrap":       {[]string{"index.js", exports, "bootstrap", "#!/bin/sh\n"}, "index.main", false},
		"package.json":      {[]string{"index.js", exports, "package.json", `{"main": "index.js"}`}, "index.main", true},
		"no package.json":   {[]string{"index.js", exports, "package.json", `{`}, "index.main", false},
		"no handler at all": {[]string{"index.js", exports}, "index", false},
		"outside":           {[]string{"index.js", exports}, "../index.main", false},
	} {
		if got := HasHandler(folder(t, c.files...), c.handler); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

package function

import (
	"fmt"
	"strings"
	"testing"
)

func TestFindStart(t *testing.T) {
	server, handler := "http.createServer(f).listen(9000)", "exports.handler = async (event) => event"
	for _, tt := range []struct {
		name   string
		files  []string
		outDir string
		want   string // Cmd, Env and Handler
		note   string
	}{
		{"script", []string{"package.json", `{"scripts": {"start": "node server.js"}}`, "server.js", server}, "", `[node server.js] [] ""`, ""},
		{"script with all", []string{"package.json", `{"scripts": {"start": "A=1 B=x=y node --enable-source-maps ./lib/main --port 80"}}`, "lib/main.mjs", server}, "", `[node --enable-source-maps ./lib/main --port 80] [A=1 B=x=y] ""`, ""},
		{"script of a folder", []string{"package.json", `{"scripts": {"start": "node ."}, "main": "a.js"}`, "a.js", server}, "", `[node a.js] [] ""`, "not of the form"},
		{"a shell's script", []string{"package.json", `{"scripts": {"start": "npm run build && node x.js"}, "main": "a.js"}`, "x.js", "", "a.js", server}, "", `[node a.js] [] ""`, "not of the form"},
		{"another program", []string{"package.json", `{"scripts": {"start": "ts-node server.ts"}}`, "server.js", server}, "", `[node server.js] [] ""`, "ts-node server.ts"},
		{"a script that is not there", []string{"package.json", `{"scripts": {"start": "node x.js"}}`, "app.js", server}, "", `[node app.js] [] ""`, "node x.js"},
		{"main", []string{"package.json", `{"main": "./lib/x"}`, "lib/x.cjs", server, "server.js", server}, "", `[node lib/x.cjs] [] ""`, ""},
		{"main is a folder", []string{"package.json", `{"main": "lib"}`, "lib/index.js", server}, "", `[node lib/index.js] [] ""`, ""},
		{"main is a handler", []string{"package.json", `{"main": "lib/fn.js"}`, "lib/fn.js", handler}, "", `[] [] "lib/fn.handler"`, ""},
		{"by name", []string{"index.mjs", server, "app.js", server}, "", `[node index.mjs] [] ""`, ""},
		{"a handler", []string{"index.js", handler}, "", `[] [] "index.handler"`, ""},
		{"an ES handler", []string{"index.mjs", "export const handler = async () => 1"}, "", `[] [] "index.handler"`, ""},
		{"a list of exports", []string{"index.mjs", "export { x, handler }"}, "", `[] [] "index.handler"`, ""},
		{"a handler that listens", []string{"index.js", handler + "\n" + server}, "", `[node index.js] [] ""`, ""},
		{"compiled", []string{"dist/index.js", handler}, "dist", `[] [] "dist/index.handler"`, ""},
		{"bootstrap", []string{"bootstrap", "#!/x", "server.js", server}, "", `[] [] ""`, ""},
		{"nothing", []string{"package.json", `{}`, "x.js", ""}, "", "", ""},
		{"outside", []string{"package.json", `{"main": "../../etc/passwd"}`}, "", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := folder(t, tt.files...)
			p, err := readProject(dir)
			if err != nil {
				t.Fatal(err)
			}
			exists, read := inFolder(dir)
			var notes strings.Builder
			s, ok := p.findStart(tt.outDir, exists, read, func(f string, a ...any) { fmt.Fprintf(&notes, f, a...) })
			got := ""
			if ok {
				got = fmt.Sprintf("%v %v %q", s.Cmd, s.Env, s.Handler)
			}
			if got != tt.want || (tt.note == "") != (notes.Len() == 0) || !strings.Contains(notes.String(), tt.note) {
				t.Errorf("got %s, with the notes %q; want %s, %q", got, notes.String(), tt.want, tt.note)
			}
		})
	}
}

func FuzzParseStart(f *testing.F) {
	f.Add("NODE_ENV=production node --import x server.js 1")
	f.Add("node server.js && rm -rf /")
	f.Fuzz(func(t *testing.T, script string) {
		s, ok := parseStart(script, func(name string) bool { return strings.HasSuffix(name, ".js") })
		if ok && (len(s.Cmd) < 2 || s.Cmd[0] != "node" || strings.ContainsAny(strings.Join(s.Cmd, " "), "|&;<>$`\n")) {
			t.Errorf("%q: %q", script, s.Cmd)
		}
	})
}

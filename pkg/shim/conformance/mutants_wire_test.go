package conformance_test

import "slices"

// mutants follow the order of the rules.
var mutants = slices.Concat(callMutants, wireMutants, programMutants, lifeMutants, outputMutants)

var callMutants = []mutant{
	{"the control path does not count", "calls/control-path", []change{
		{"shim/front/front.go", `fc.CallOf(control, r.Method`, `fc.CallOf("", r.Method`}}},
	{"the path does not count", "calls/path", []change{
		{"fc/fc.go", `controlPath == "" && method == c.Method()`, `controlPath == "-" && method == c.Method()`}}},
	{"the method does not count", "calls/path", []change{
		{"fc/fc.go", `controlPath == "" && method == c.Method() &&`, `controlPath == "" &&`}}},
	{"an unusual method becomes GET", "calls/forwarded", []change{
		{"shim/relay/request.go", `w.Line(r.Method, " ", target`, `w.Line(strings.Replace(r.Method, "PROPFIND", "GET", 1), " ", target`}}},
	{"the path is cleaned", "calls/target", []change{
		{"shim/relay/request.go", `w.Line(r.Method, " ", target`, `w.Line(r.Method, " ", strings.ReplaceAll(target, "//", "/")`}}},
	{"the path is decoded", "calls/target languages/node languages/typescript languages/python languages/go languages/shell", []change{
		{"shim/relay/request.go", `w.Line(r.Method, " ", target`, `w.Line(r.Method, " ", strings.ReplaceAll(target, "%20", "+")`}}},
	{"a new request id stays here", "calls/request-id", []change{
		{"shim/front/id.go", `r.Header.Set("X-Fc-Request-Id", id)`, ``}}},
	{"any request id is taken", "calls/forged-log", []change{
		{"shim/front/id.go", `if c := id[i]; c <= ' ' || c == ',' || c >= 0x7f {`, `if c := id[i]; c == 0 {`}}},

	{"only 404 is an unknown hook", "hooks/unknown", []change{
		{"shim/front/call.go", `return status == 404 || status == 405 || status == 501`, `return status == 404`}}},
	{"an unknown hook is logged each time", "hooks/unknown", []change{
		{"shim/front/front.go", `f.once.LoadOrStore(key, true); !said {`, `f.once.LoadOrStore(key, true); !said || true {`}}},
	{"an unknown hook's body is passed on", "hooks/unknown-connection hooks/unknown", []change{
		{"shim/front/call.go", "if c.replaced {\n\t\treturn len(p), nil\n\t}", ""}}},
	{"a hook that failed is an unknown one", "hooks/known", []change{
		{"shim/front/call.go", `return status == 404 || status == 405 || status == 501`, `return status >= 400`}}},
	{"SHIM_HOOK_404 does nothing", "hooks/pass", []change{
		{"shim/front/call.go", ` && !c.front.PassHooks`, ``}}},
	{"every 404 is an unknown hook", "hooks/not-others", []change{
		{"shim/front/call.go", `if c.kind.Hook() && own == "" && unknownHook`, `if own == "" && unknownHook`}}},

	{"400 is no failure", "status/rule", []change{
		{"shim/front/call.go", `h.Status >= limit`, `h.Status > limit`}}},
	{"no x-fc-status", "status/rule", []change{
		{"shim/front/call.go", "if own != \"\" {\n\t\th.Header.Add", "if false {\n\t\th.Header.Add"}}},
	{"SHIM_STATUS_RULE=5xx is 4xx", "status/setting", []change{
		{"shim/settings.go", `"5xx": 500`, `"5xx": 400`}}},
	{"the program's x-fc-status is overwritten", "status/own", []change{
		{"shim/front/call.go", `if own == "" && c.kind.Event() {`, `if c.kind.Event() {`}}},
	{"x-fc-status for HTTP triggers", "status/http", []change{
		{"shim/front/call.go", `if own == "" && c.kind.Event() {`, `if own == "" {`}}},
	{"a failed event ends well", "status/log", []change{
		{"shim/front/call.go", `c.failed = c.kind.Event() && own != "200"`, ``}}},

	{"reserved fields are passed on", "headers/reserved", []change{
		{"fc/fc.go", `return strings.HasPrefix(name, Prefix)`, `return false`}}},
	{"every Content-Disposition is reserved", "headers/reserved", []change{
		{"fc/fc.go", `return strings.EqualFold(strings.TrimSpace(kind), "attachment")`, `return kind != ""`}}},
	{"what Connection names is sent on", "headers/hop-request", []change{
		{"shim/relay/request.go", `if h.named && h.r.Header.Nominates`, `if false && h.r.Header.Nominates`}}},
	{"Keep-Alive is sent on", "headers/hop-request", []change{
		{"shim/relay/request.go", `if message.Same(f.Name, "Keep-Alive") {`, `if false {`}}},
	{"Connection takes any field away", "headers/hop-request-end-to-end", []change{
		{"shim/message/hop.go", ` && !Same(name, "Host") && !fc.Own(name)`, ``},
		{"shim/message/hop.go", `import "github.com/imgbuild/imgbuild/pkg/fc"`, ``}}},
	{"what an answer's Connection names is passed on", "headers/hop-response", []change{
		{"shim/relay/answer.go", `if named && isNamed(`, `if false && isNamed(`}}},
	{"every answer closes", "headers/connection-close protocols/keep-alive", []change{
		{"shim/http1/exchange.go", `if x.keep && x.c.srv.draining.Load() {`, `if x.keep {`}}},
	{"a Via field is added", "headers/nothing-added", []change{
		{"shim/relay/request.go", "h.finish()\n", "h.finish()\n\tw.Field(\"Via\", \"1.1 shim\")\n"}}},
	{"fields of one name become one", "headers/order", []change{
		{"shim/relay/answer.go", "kept = append(kept, f)", "if !kept.Has(f.Name) {\n\t\t\tkept = append(kept, f)\n\t\t}"}}},
	{"heads of 32 KB at most", "headers/64k", []change{
		{"shim/http1/server.go", `DefaultHeaderLimit = 1 << 20`, `DefaultHeaderLimit = 1 << 15`}}},
	{"HTTP_PROXY is taken from the program", "headers/proxy-variables", []change{
		{"shim/environ.go", "own, told := listenPort(s.Listen), strconv", "env = env.with(\"HTTP_PROXY\", \"\")\n\town, told := listenPort(s.Listen), strconv"}}},
}

var wireMutants = []mutant{
	{"a request's body is kept", "bodies/big-request", []change{
		{"shim/relay/sender.go", "type sender struct {", "var kept []byte\n\ntype sender struct {"},
		{"shim/relay/sender.go", "n, err := s.body.Read(buf)\n", "n, err := s.body.Read(buf)\n\t\tkept = append(kept, buf[:n]...)\n"}}},
	{"an answer's body is kept", "bodies/big-answer", []change{
		{"shim/relay/answer.go", "// pass passes", "var kept []byte\n\n// pass passes"},
		{"shim/relay/answer.go", "n, err := c.Read(buf)\n", "n, err := c.Read(buf)\n\t\tkept = append(kept, buf[:n]...)\n"}}},
	{"a request is read whole first", "bodies/slow-program streams/duplex", []change{
		{"shim/relay/sender.go", "\tfor {\n\t\tn, err := s.body.Read(buf)\n", "\twhole, _ := io.ReadAll(s.body)\n\t_, _ = s.c.Write(whole)\n\tfor {\n\t\tn, err := s.body.Read(buf)\n"}}},
	{"the end of chunks waits for more", "bodies/empty-chunked bodies/chunks", []change{
		{"shim/http1/chunk.go", "return true\n\tcase len(at) < 2:\n\t\treturn false\n\tcase at[0]", "return true\n\tcase len(at) < 3:\n\t\treturn false\n\tcase at[0]"}}},
	{"chunk sizes are decimal", "bodies/chunks", []change{
		{"shim/http1/chunk.go", `n = n<<4 | int64(d)`, `n = n*10 + int64(d)`}}},
	{"an answer to HEAD has a body", "bodies/none", []change{
		{"shim/http1/response.go", `method == "HEAD" || r.Status < 200`, `r.Status < 200`}}},
	{"HEAD is answered with a body's framing", "bodies/none", []change{
		{"shim/http1/exchange.go", `h.Status == 204 || h.Status == 304 || x.req.Method == "HEAD":`, `h.Status == 204 || x.req.Method == "HEAD":`}}},
	{"an answer without a length is empty", "bodies/length", []change{
		{"shim/http1/response.go", `f.Kind, f.KeepAlive = UntilClose, false`, `f.Kind, f.KeepAlive = None, false`}}},
	{"an empty POST says no length", "bodies/length", []change{
		{"shim/relay/request.go", `return method == "POST" || method == "PUT" || method == "PATCH"`, `return false`},
		{"shim/relay/request.go", "default:\n\t\th.Field(length, \"0\")", "default:"}}},

	{"answers are sent when they are complete", "streams/events", []change{
		{"shim/relay/answer.go", `c.Downstream = e.x`, `c.Downstream = nil`}}},
	{"requests are sent when they are complete", "streams/duplex", []change{
		{"shim/relay/sender.go", `case s.body.Buffered() == 0 && s.c.Flush() != nil:`, `case false:`}}},
	{"a request's trailer is dropped", "streams/trailers", []change{
		{"shim/relay/sender.go", `err = s.c.End(trailer)`, `err = s.c.End(trailer[:0])`}}},
	{"an answer's trailer is dropped", "streams/trailers", []change{
		{"shim/relay/answer.go", `e.x.End(c.Trailer())`, `e.x.End(nil)`}}},
	{"what comes with a 101 is lost", "streams/upgrade streams/upgrade-closed-by-program", []change{
		{"shim/http1/client.go", `return io.MultiReader(bytes.NewReader(early), c.conn)`, `return bytes.NewReader(nil)`}}},
	{"what comes with an upgrade is lost", "streams/upgrade", []change{
		{"shim/http1/upgrade.go", `u.rest = append(u.rest, c.in.Peek()...)`, ``}}},
	{"a tunnel's end is not passed on", "streams/upgrade-closed-by-program", []change{
		{"shim/relay/tunnel.go", "\tif err == nil {\n\t\tif half, ok", "\tif false {\n\t\tif half, ok"}}},
	{"a 101 that nobody asked for", "streams/upgrade-refused", []change{
		{"shim/relay/tunnel.go", `if upgradeOf(e.request) == "" || r.Upgrade == "" {`, `if r.Upgrade == "" {`}}},

	{"1xx answers are dropped", "protocols/interim", []change{
		{"shim/relay/exchange.go", `if e.x.Interim(r.Status, strip(r.Header, false)) != nil {`, `if strip(r.Header, false) == nil && false {`}}},
	{"no 100 Continue", "protocols/expect", []change{
		{"shim/http1/requestbody.go", `_, _ = b.x.c.nc.Write([]byte("HTTP/1.1 100 Continue\r\n\r\n"))`, ``}}},
	{"100 Continue before the program wants it", "protocols/expect-refused", []change{
		{"shim/relay/sender.go", "if s.ahead == nil {\n\t\treturn true", "if true {\n\t\treturn true"}}},
	{"chunks for HTTP/1.0", "protocols/http10", []change{
		{"shim/http1/exchange.go", "case x.req.Version >= message.HTTP11:\n\t\treturn Framing{Kind: Chunked}", "case x.req.Version >= message.HTTP10:\n\t\treturn Framing{Kind: Chunked}"}}},
	{"1xx for HTTP/1.0", "protocols/http10", []change{
		{"shim/http1/exchange.go", "case x.req.Version < message.HTTP11:\n\t\treturn nil\n", ""}}},
	{"HTTP/1.0 connections are not kept", "protocols/http10", []change{
		{"shim/http1/framing.go", `(v >= message.HTTP11 || c.keepAlive)`, `v >= message.HTTP11`}}},
	{"Connection: close does not count", "protocols/keep-alive", []change{
		{"shim/http1/framing.go", `KeepAlive: !c.close && (v`, `KeepAlive: (v`}}},
	{"idle connections are closed", "protocols/idle", []change{
		{"shim/http1/serve.go", "for skipped := false; ; {", "_ = c.nc.SetReadDeadline(time.Now().Add(4 * time.Second))\n\tfor skipped := false; ; {"}}},
	{"no HTTP/2", "protocols/h2c", []change{
		{"shim/serve.go", `H2: s.http2.ServeConn, `, ``}}},

	{"both length fields", "malformed/smuggling malformed/answers", []change{
		{"shim/http1/framing.go", `case c.codings > 0 && c.lengths > 0:`, `case false:`}}},
	{"two lengths", "malformed/smuggling malformed/never-sent-on", []change{
		{"shim/http1/fields.go", `if n != c.length {`, `if false {`}}},
	{"Transfer-Encoding in HTTP/1.0", "malformed/smuggling", []change{
		{"shim/http1/framing.go", `case c.codings > 0 && v < message.HTTP11:`, `case false:`}}},
	{"chunked twice", "malformed/smuggling malformed/never-sent-on", []change{
		{"shim/http1/framing.go", `case c.codings > 1:`, `case false:`}}},
	{"space before the colon", "malformed/smuggling", []change{
		{"shim/http1/fields.go", "if lenient && n > 0 {", "if n > 0 {"},
		{"shim/http1/fields.go", `if colon > n && ofFraming(line[:n]) {`, `if false {`}}},
	{"control characters in values", "malformed/smuggling", []change{
		{"shim/http1/fields.go", `if !only(value, text) {`, `if false {`}}},
	{"LF without CR", "malformed/smuggling", []change{
		{"shim/http1/chunk.go", `case len(line) == 0 || line[len(line)-1] != '\r':`, `case len(line) == 0:`}}},
	{"no Host", "malformed/smuggling", []change{
		{"shim/http1/request.go", `case c.hosts == 0 && r.Version >= message.HTTP11:`, `case false:`}}},
	{"two Hosts", "malformed/smuggling", []change{
		{"shim/http1/request.go", `case c.hosts > 1:`, `case false:`}}},
	{"anything after a chunk", "malformed/smuggling programs/broken-answer", []change{
		{"shim/http1/chunk.go", `if len(at) > 0 && at[0] != '\r' || len(at) > 1 && at[1] != '\n' {`, `if false {`}}},
	{"a signed length", "malformed/smuggling", []change{
		{"shim/http1/framing.go", "\tvar n int64\n", "\tif s[0] == '+' {\n\t\ts = s[1:]\n\t}\n\tvar n int64\n"}}},
	{"the length is sent on twice", "malformed/equal-lengths", []change{
		{"shim/relay/request.go", `h.Number(length, h.framing.Length)`, "h.Number(length, h.framing.Length)\n\t\th.Number(length, h.framing.Length)"}}},
	{"what is refused is 200", "malformed/garbage malformed/smuggling malformed/endless-head", []change{
		{"shim/http1/refuse.go", `c.out.statusLine(e.Status, "")`, `c.out.statusLine(200, "")`}}},
	{"heads of any size", "malformed/endless-head", []change{
		{"shim/http1/server.go", `DefaultHeaderLimit = 1 << 20`, `DefaultHeaderLimit = 1 << 30`}}},
	{"any status", "malformed/answers", []change{
		{"shim/http1/response.go", `if a < 1 || a > 9`, `if a > 9`}}},
	{"CR splits an answer", "malformed/answer-lines", []change{
		{"shim/http1/fields.go", `value := trim(line[colon+1:])`, `value := strings.ReplaceAll(trim(line[colon+1:]), "\r", "\n")`},
		{"shim/http1/fields.go", `if !only(value, text) {`, `if false {`},
		{"shim/http1/exchange.go", `x.c.out.Field(f.Name, f.Value)`, "if name, value, ok := strings.Cut(f.Value, \"\\n\"); ok {\n\t\t\tx.c.out.Field(f.Name, name)\n\t\t\tname, value, _ = strings.Cut(value, \":\")\n\t\t\tx.c.out.Field(name, strings.TrimSpace(value))\n\t\t\tcontinue\n\t\t}\n\t\tx.c.out.Field(f.Name, f.Value)"}}},
}

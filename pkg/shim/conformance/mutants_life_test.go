package conformance_test

// Connections to the program are used again whatever has become of them.
var (
	unseen     = change{"shim/http1/client_send.go", "if c.raw == nil {\n\t\treturn c.End(nil)", "if true {\n\t\treturn c.End(nil)"}
	unlooked   = change{"shim/relay/pool.go", `if !unsafe || c.Quiet() {`, `if true {`}
	unsafe     = change{"shim/relay/pool.go", `if unsafe && idle >= min(c.announced/2, maxIdleUnsafe) {`, `if false {`}
	unrepeated = change{"shim/relay/exchange.go", `broke := repeatable && reused && !c.Received()`, `broke := false && reused`}
)

var programMutants = []mutant{
	{"slow heads are refused", "clients/slow", []change{
		{"shim/http1/server.go", `DefaultHeadTimeout = 60 * time.Second`, `DefaultHeadTimeout = 20 * time.Millisecond`}}},
	{"half a connection is none", "clients/half-open", []change{
		{"shim/http1/gone.go", `if state == stateFIN && c.srv.CloseIsGone {`, `if state == stateFIN {`}}},
	{"the program does not see its client go", "clients/gone", []change{
		{"shim/relay/relay.go", `x.OnGone(e.leave)`, ``}}},
	{"half a body is a whole one", "clients/broken-off", []change{
		{"shim/relay/sender.go", `case err == io.EOF:`, `case err != nil && err != io.ErrNoProgress:`}}},
	{"at most a hundred at once", "clients/many", []change{
		{"shim/front/limit.go", `return gate{}`, `return newGate(100, 1)`}}},

	{"half an answer is a whole one", "programs/crash-in-answer programs/broken-answer", []change{
		{"shim/http1/exchange.go", "_ = x.c.out.Flush()\n\t} else if", "_ = x.c.out.End(nil)\n\t} else if"}}},
	{"a program that reads no more has failed", "programs/closes-early", []change{
		{"shim/relay/answer.go", "sent = e.sender.settle()\n", "if sent = e.sender.settle(); !sent {\n\t\t\te.discard(c)\n\t\t\treturn message.ErrAborted\n\t\t}\n"}}},
	{"a late answer is the next one's", "programs/too-much", []change{unseen}},
	{"all output is remembered", "programs/floods", []change{
		{"shim/journal/tail.go", "t.mu.Lock()\n\tdefer t.mu.Unlock()\n\tif !p.known {", "t.mu.Lock()\n\tdefer t.mu.Unlock()\n\teverything = append(everything, b...)\n\tif !p.known {"},
		{"shim/journal/tail.go", "type partial struct {", "var everything []byte\n\ntype partial struct {"}}},
	{"the output's end is waited for", "programs/daemons processes/daemons", []change{
		{"shim/journal/drain.go", `goals := j.goals()`, "for !j.out.closed {\n\t\ttime.Sleep(time.Millisecond)\n\t}\n\tgoals := j.goals()"}}},
	{"requests take three seconds at most", "programs/never-answers", []change{
		{"shim/front/call.go", "if d == 0 {\n", "if d == 0 {\n\t\td = 3 * time.Second\n\t}\n\tif d == 0 {\n"}}},

	{"every request is sent again", "retries/post-once", []change{
		{"shim/relay/exchange.go", `broke := repeatable && reused && !c.Received()`, `broke := reused || attempt < 2`}}},
	{"a POST goes over a dead connection", "retries/unread-post retries/idle-close", []change{unseen, unlooked, unsafe}},
	{"a GET is not sent again", "retries/get", []change{unseen, unrepeated}},
	{"a server that is started anew is not waited for", "retries/restart", []change{
		{"shim/discovery/target.go", `const reconnect = 10 * time.Second`, `const reconnect = 0`}}},
	{"a server that is gone is waited for without end", "retries/never-reached", []change{
		{"shim/discovery/target.go", `waited.Elapsed() >= min(reconnect, t.ready)`, `waited.Elapsed() >= time.Hour`}}},
	{"after a thaw connections are dead", "freeze/all", []change{unseen, unlooked, unsafe, unrepeated}},
	{"clients are cut off by a freeze", "freeze/in-request", []change{
		{"shim/http1/serve.go", "for skipped := false; ; {", "_ = c.nc.SetReadDeadline(time.Now().Add(700 * time.Millisecond))\n\tfor skipped := false; ; {"}}},
}

var lifeMutants = []mutant{
	{"another default port", "ports/told", []change{
		{"fc/fc.go", `const DefaultPort = 9000`, `const DefaultPort = 9001`}}},
	{"the platform's port is told to the program", "ports/told ports/listen", []change{
		{"shim/environ.go", `if n, err := parsePort(v); v == "" || (err == nil && n == own) {`, `if n, err := parsePort(v); v == "" || (err == nil && n == -own) {`}}},
	{"IPv6 is not reached", "ports/found", []change{
		{"shim/discovery/address.go", "tcp(netip.IPv6Loopback(), port)\n", ""}}},
	{"Unix sockets are not found", "ports/found", []change{
		{"shim/discovery/finder.go", "all = append(all, f.unix...)\n", ""}}},
	{"only children are looked at", "ports/descendant", []change{
		{"shim/program/family.go", "queue = append(queue, children(queue[0])...)", ""}}},
	{"debuggers are servers", "ports/several", []change{
		{"shim/discovery/choose.go", `case slices.Contains(debugPorts, a.Port()), local && a.Port() >= FirstEphemeral:`, `case false:`}}},
	{"the first port stays", "ports/several", []change{
		{"shim/watch.go", "case s.serving && ready:\n\t\td = time.Second", "case s.serving && ready:\n\t\td = time.Hour"}}},
	{"a program may not have 8080", "ports/own", []change{
		{"shim/watch.go", `case errors.Is(err, errOwned):`, `case false:`}}},
	{"SHIM_TARGET does nothing", "ports/explicit", []change{
		{"shim/watch.go", `case s.settings.Target != "":`, `case false:`}}},
	{"8080 is open at once", "ports/not-before", []change{
		{"shim/watch.go", `if !s.serving && (ok || expected) {`, `if !s.serving && (true || expected) {`}}},
	{"Knative's port is the program's", "ports/listen", []change{
		{"shim/environ.go", `case e.onKnative():`, `case false:`}}},

	{"a function that cannot start does not say so", "errors/start errors/library", []change{
		{"shim/linger.go", `function && code != 1 {`, `false {`}}},
	{"a missing shebang line is not explained", "errors/start", []change{
		{"shim/program/explain.go", "return \"has no shebang line;", "return \"cannot be run;"}}},
	{"not found is 126", "errors/command", []change{
		{"shim/program/command.go", `&StartError{127, fmt.Sprintf("%s does not exist"`, `&StartError{126, fmt.Sprintf("%s does not exist"`}}},
	{"a missing linker is not named", "errors/library", []change{
		{"shim/program/explain.go", `return fmt.Sprintf("needs the dynamic linker %s, which this`, `return fmt.Sprintf("needs %.0s what this`}}},
	{"nothing to run is no failure", "errors/nothing", []change{
		{"shim/program/command.go", `&StartError{1, nothingToRun`, `&StartError{0, nothingToRun`}}},
	{"a function that dies is forgotten", "errors/dies-at-start", []change{
		{"shim/linger.go", "if missed {\n\t\ts.linger", "if false {\n\t\ts.linger"}}},
	{"a function that never listens is waited for in silence", "errors/never-listens", []change{
		{"shim/watch.go", `expected := s.expectsServer &&`, `expected := false &&`}}},
	{"errors lack the last lines", "errors/dies-in-request errors/dies-at-start", []change{
		{"shim/front/call.go", `answer.Lines = c.front.Log.Tail()`, `answer.Lines = nil`}}},
	{"errors have x-fc-status always", "errors/http-status", []change{
		{"shim/front/call.go", "if c.kind.Event() {\n\t\th.Add", "if true {\n\t\th.Add"}}},
	{"errors are no JSON", "errors/http-status errors/start", []change{
		{"shim/message/failure.go", `\"errorMessage\":%s`, `errorMessage:%s`}}},

	{"signals are exit codes", "processes/exit-code", []change{
		{"shim/program/process.go", `return 128 + int(p.exit.Signal())`, `return int(p.exit.Signal())`}}},
	{"the container stays when its program has gone", "processes/exit-code", []change{
		{"shim/signals.go", "case <-ended:\n", "case <-ended:\n\t\t\tif s.process.Code() == 0 {\n\t\t\t\tended = nil\n\t\t\t\tcontinue\n\t\t\t}\n"}}},
	{"only SIGTERM is forwarded", "processes/signals", []change{
		{"shim/signals.go", "default:\n\t\t\t\ts.pass(n)", "default:"}}},
	{"signals reach the program alone", "processes/signals", []change{
		{"shim/program/group.go", "errors.Is(syscall.Kill(-p.pid, s), syscall.ESRCH)", "errors.Is(syscall.ESRCH, syscall.ESRCH)"}}},
	{"no SIGKILL", "processes/grace", []change{
		{"shim/signals.go", "s.process.Kill()", "_ = s"}}},
	{"SIGKILL at once", "processes/grace", []change{
		{"shim/signals.go", `clock.After(s.settings.Grace)`, `clock.After(1)`}}},
	{"one orphan a signal", "processes/orphans", []change{
		{"shim/program/reaper.go", `for pid := firstDead(); pid != 0; pid = firstDead() {`, `if pid := firstDead(); pid != 0 {`}}},
	{"no draining", "processes/drain", []change{
		{"shim/signals.go", `defer close(drained); s.drainRequests()`, `defer close(drained)`}}},
	{"pre-stop does not wait", "processes/pre-stop", []change{
		{"shim/front/front.go", `f.busy.waitIdle(preStopPatience)`, ``}}},
	{"no process group", "processes/group processes/signals", []change{
		{"shim/program/process.go", `&syscall.SysProcAttr{Setpgid: true}`, `&syscall.SysProcAttr{}`}}},
	{"arguments are split", "processes/command", []change{
		{"shim/program/process.go", `syscall.ForkExec(c.Path, c.Argv, attr)`, `syscall.ForkExec(c.Path, strings.Fields(strings.Join(c.Argv, " ")), attr)`},
		{"shim/program/process.go", "\t\"strconv\"\n", "\t\"strconv\"\n\t\"strings\"\n"}}},
	{"the program is started elsewhere", "processes/bootstrap", []change{
		{"shim/program/process.go", `Dir: c.Dir, Env: env,`, `Env: env,`}}},
}

var outputMutants = []mutant{
	{"a typo in the End line", "logs/exact", []change{
		{"fc/fc.go", `" End RequestId: "`, `" End RequestID: "`}}},
	{"the End line comes before the program's", "logs/exact", []change{
		{"shim/journal/requests.go", `if !j.reached(e.goals) && !j.hopeless() {`, `if false {`}}},
	{"the program's lines are doubled", "logs/undoubled", []change{
		{"shim/journal/calls.go", "known.failed = true\n\t\tc.known[k] = known\n\t}\n\treturn ok", "known.failed = true\n\t\tc.known[k] = known\n\t}\n\treturn false"}}},
	{"the program's word on failure is lost", "logs/undoubled", []change{
		{"shim/journal/requests.go", `c.failed || saidFailed`, `c.failed && saidFailed`}}},
	{"lines end after a megabyte", "logs/long", []change{
		{"shim/journal/gate.go", "g.s.j.tail.note(&g.last, b)\n\tif n :=", "g.s.j.tail.note(&g.last, b)\n\tif g.unended > 1<<20 {\n\t\tb = []byte(\"\\n\")\n\t}\n\tif n :="}}},
	{"lines are put anywhere", "logs/whole-lines", []change{
		{"shim/journal/gate.go", `if at > 0 || g.unended == 0 {`, `if true {`},
		{"shim/journal/keeper.go", `if s.unended > 0 {`, `if false {`}}},
	{"requests wait for the log", "logs/blocked", []change{
		{"shim/journal/keeper.go", "waiting := add(&s.queue, text, id, end)\n", "waiting := add(&s.queue, text, id, end)\n\ts.mu.Lock()\n\ts.mu.Unlock()\n"}}},
	{"the last output is lost", "logs/last", []change{
		{"shim/journal/drain.go", "goals := j.goals()\n", "return\n\tgoals := j.goals()\n"}}},
	{"SHIM_REQUEST_LOG=off does nothing", "logs/off", []change{
		{"shim/journal/journal.go", `o.RequestLog != "off" && !terminal`, `!terminal`}}},
	{"secrets are not masked", "logs/secrets", []change{
		{"shim/journal/secrets.go", `if kind := kindOf(h[i].Name); kind < kinds {`, `if kind := kindOf(h[i].Name); kind < 0 {`}}},
	{"secrets across two writes are not masked", "logs/secrets", []change{
		{"shim/journal/secrets.go", "if begun && !final {", "if begun && false {"}}},
	{"SHIM_MASK does nothing", "logs/mask-off", []change{
		{"shim/journal/gate.go", `if s.j.options.Mask {`, `if true {`}}},
	{"JSON lines have no id", "logs/json", []change{
		{"shim/journal/objects.go", `if o.requestID != "" {`, `if false {`}}},

	{"places are not given back", "limits/concurrency", []change{
		{"shim/front/limit.go", `<-g.places`, `_ = g`}}},
	{"hooks count", "limits/concurrency", []change{
		{"shim/front/front.go", "if !c.kind.Hook() {\n\t\tif fail := f.gate", "if true {\n\t\tif fail := f.gate"}}},
	{"a queue without end", "limits/queue", []change{
		{"shim/front/limit.go", `make(chan struct{}, queue)`, `make(chan struct{}, 1000)`}}},
	{"SHIM_TIMEOUT does nothing", "limits/timeout", []change{
		{"shim/front/call.go", "if d == 0 {\n", "if d >= 0 {\n"}}},
	{"chunks have no limit", "limits/body", []change{
		{"shim/front/limit.go", `if b.left -= int64(n); b.left < 0 {`, `if b.left -= int64(n); b.left < -1<<40 {`}}},
	{"SHIM_BODY_LIMIT is one byte off", "limits/body", []change{
		{"shim/front/limit.go", `case r.Length > f.BodyLimit:`, `case r.Length > f.BodyLimit+1:`}}},
	{"SHIM_HEADER_LIMIT does nothing", "limits/header", []change{
		{"shim/serve.go", `HeaderLimit: int(headerLimit), H2`, `H2`}}},
	{"the platform's limits hold", "limits/none", []change{
		{"shim/http1/server.go", `DefaultHeaderLimit = 1 << 20`, `DefaultHeaderLimit = 8 << 10`}}},
	{"warnings each time", "limits/none", []change{
		{"shim/front/front.go", `f.once.LoadOrStore(key, true); !said {`, `f.once.LoadOrStore(key, true); !said || true {`}}},
	{"requests are not counted", "metrics/served", []change{
		{"shim/front/metrics.go", `m.calls[c.kind][min(c.status/100, len(classes)-1)].Add(1)`, ``}}},
	{"metrics are always there", "metrics/served", []change{
		{"shim/metrics.go", "if s.settings.Metrics == \"\" {\n\t\treturn nil", "if s.settings.Metrics == \"\" {\n\t\ts.settings.Metrics = \":9090\""}}},

	{"no event for the program", "exec/answers", []change{
		{"shim/once/run.go", `if body == nil {`, `if true {`}}},
	{"every exit code is 0", "exec/fails", []change{
		{"shim/once/run.go", `if r.process.Code() == 0 {`, `if true {`}}},
	{"no runtime API", "sdk/event sdk/http", []change{
		{"shim/sdk.go", `if s.env.Get(apiVariable) != "" {`, `if true {`}}},
	{"no x-fc-http-params", "sdk/http", []change{
		{"shim/runtimeapi/do.go", `if form != inParams && e.wantsParams() {`, `if false {`}}},
	{"a wrong value is the default", "settings/refused", []change{
		{"shim/parse.go", "if err := s.set(&r.Settings, v); err != nil {", "if err := s.set(&r.Settings, v); err != nil && s.Variable != \"SHIM_QUEUE\" {"}}},
	{"an unknown variable is refused", "settings/flags", []change{
		{"shim/parse.go", "for _, s := range Table {\n\t\tv := env.Get(s.Variable)", "if env.Get(\"SHIM_SERVICE_HOST\") != \"\" {\n\t\treturn &UsageError{\"SHIM_SERVICE_HOST\", \"no such setting\"}\n\t}\n\tfor _, s := range Table {\n\t\tv := env.Get(s.Variable)"}}},
}

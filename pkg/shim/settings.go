package shim

import "time"

// Settings are what flags and SHIM_* variables can change.
type Settings struct {
	// Listen is the address the platform calls: [HOST]:PORT, or the path of a
	// Unix socket, which begins with a slash.
	Listen string
	// Target is where the program listens: "" to find out, a port, HOST:PORT
	// or the path of a Unix socket.
	Target string
	// Mode is how the program answers: ModeHTTP or ModeExec.
	Mode string
	// Ready is how long a program may take until it listens.
	Ready time.Duration
	// Grace is the time from SIGTERM to SIGKILL. Requests in flight are
	// drained within it. The default stays under the 10 s that docker waits.
	Grace time.Duration
	// Linger is how long the shim of a function whose program could not be
	// started, or ended before it listened, stays to answer why.
	Linger time.Duration

	// Timeout ends a request that takes longer. 0: no limit.
	Timeout time.Duration
	// Concurrency is how many requests the program gets at once, Queue how
	// many more may wait for their turn; others get 429. 0: no limit.
	Concurrency, Queue int
	// HeaderLimit and BodyLimit are in bytes. 0: no limit but that of memory
	// (1 MiB) for headers, none for bodies, which are streamed.
	HeaderLimit, BodyLimit int64

	// PassHooks says that a program's 404 to a hook goes to the platform.
	PassHooks bool
	// ErrorFrom is the HTTP status from which an event call has failed, 0
	// for never.
	ErrorFrom int
	// ErrorLines is how many of the program's last lines an error carries.
	ErrorLines int

	// RequestLog says whether the platform's log lines are written around
	// each request: on, off, or auto, which is on unless stdout is a terminal.
	RequestLog string
	// JSONLog makes each log line a JSON object.
	JSONLog bool
	// Mask hides secrets that came in headers where the program prints them.
	Mask bool
	// Metrics is the address for Prometheus, "" for none.
	Metrics string
	// LambdaStream makes answers on AWS Lambda streams.
	LambdaStream bool
}

// Modes.
const (
	ModeHTTP = "http" // the program is a server
	ModeExec = "exec" // the program is run once for each request
)

// Setting is one row of the table of settings.
type Setting struct {
	// Flag is the name without dashes. Variable is the environment variable
	// of the same meaning; a flag wins over it.
	Flag, Variable string
	// Default is what Parse starts from.
	Default string
	// Value says what values look like.
	Value string
	// Help is one sentence.
	Help string

	set func(*Settings, string) error
}

// Table lists all settings, in the order of the documentation.
var Table = []Setting{
	{"listen", "SHIM_LISTEN", ":8080", "[HOST]:PORT or /SOCKET",
		"Where the shim listens. On Function Compute the default is the function's own port (FC_CUSTOM_LISTEN_PORT), on Knative and Cloud Run PORT.",
		func(s *Settings, v string) error { s.Listen = v; return checkListen(v) }},
	{"target", "SHIM_TARGET", "", "PORT, HOST:PORT or /SOCKET",
		"Where the program listens. By default the shim finds out.",
		func(s *Settings, v string) (err error) { s.Target, err = parseTarget(v); return err }},
	{"mode", "SHIM_MODE", ModeHTTP, "http or exec",
		"http: the program is a server. exec: it is run once for each request, with the event on stdin and the answer on stdout.",
		func(s *Settings, v string) error { return oneOf(&s.Mode, v, ModeHTTP, ModeExec) }},
	{"ready-timeout", "SHIM_READY_TIMEOUT", "120s", "DURATION",
		"How long the program may take until it listens.",
		func(s *Settings, v string) (err error) { s.Ready, err = parseDuration(v, time.Millisecond); return err }},
	{"grace", "SHIM_GRACE", "9s", "DURATION",
		"Time from SIGTERM to SIGKILL; requests in flight are drained within it.",
		func(s *Settings, v string) (err error) { s.Grace, err = parseDuration(v, 0); return err }},
	{"linger", "SHIM_LINGER", "3s", "DURATION",
		"How long a function whose program could not be started, or ended before it listened, answers requests with the reason before the shim leaves.",
		func(s *Settings, v string) (err error) { s.Linger, err = parseDuration(v, 0); return err }},
	{"timeout", "SHIM_TIMEOUT", "0", "DURATION",
		"Longest time for a request, with its answer; after it the answer is 504. 0: no limit.",
		func(s *Settings, v string) (err error) { s.Timeout, err = parseDuration(v, 0); return err }},
	{"concurrency", "SHIM_CONCURRENCY", "0", "NUMBER",
		"How many requests the program gets at the same time; others get 429. Hooks do not count. 0: no limit.",
		func(s *Settings, v string) (err error) { s.Concurrency, err = parseCount(v); return err }},
	{"queue", "SHIM_QUEUE", "0", "NUMBER",
		"How many requests over the concurrency wait for their turn before others get 429.",
		func(s *Settings, v string) (err error) { s.Queue, err = parseCount(v); return err }},
	{"header-limit", "SHIM_HEADER_LIMIT", "0", "SIZE",
		"Largest head of a request; over it the answer is 431. 0: 1 MB.",
		func(s *Settings, v string) (err error) { s.HeaderLimit, err = parseSize(v, 1<<10, 16<<20); return err }},
	{"body-limit", "SHIM_BODY_LIMIT", "0", "SIZE",
		"Largest body of a request; over it the answer is 413. 0: no limit.",
		func(s *Settings, v string) (err error) { s.BodyLimit, err = parseSize(v, 1, 1<<50); return err }},
	{"hook-404", "SHIM_HOOK_404", "answer", "answer or pass",
		"What becomes of a program's 404, 405 or 501 to /initialize, /pre-freeze and /pre-stop: answer says 200 in its place, pass lets it through.",
		func(s *Settings, v string) error { return either(&s.PassHooks, v, "answer", "pass") }},
	{"status-rule", "SHIM_STATUS_RULE", "4xx", "4xx, 5xx or off",
		"From which HTTP status on an event call counts as failed, so that x-fc-status says 404 and not 200. A program's own x-fc-status always stays.",
		func(s *Settings, v string) error {
			var rule string
			if err := oneOf(&rule, v, "4xx", "5xx", "off"); err != nil {
				return err
			}
			s.ErrorFrom = map[string]int{"4xx": 400, "5xx": 500}[v]
			return nil
		}},
	{"error-lines", "SHIM_ERROR_LINES", "20", "NUMBER",
		"How many of the program's last lines the answer carries when the program could not give one. 0: none.",
		func(s *Settings, v string) (err error) { s.ErrorLines, err = parseCount(v); return err }},
	{"request-log", "SHIM_REQUEST_LOG", "auto", "on, off or auto",
		"Whether the platform's log lines are written around each request; auto means unless stdout is a terminal.",
		func(s *Settings, v string) error { return oneOf(&s.RequestLog, v, "on", "off", "auto") }},
	{"log-format", "SHIM_LOG_FORMAT", "text", "text or json",
		"json makes each line of the log a JSON object with the request's id.",
		func(s *Settings, v string) error { return either(&s.JSONLog, v, "text", "json") }},
	{"mask", "SHIM_MASK", "on", "on or off",
		"Whether secrets that came in headers are replaced by *** where the program prints them.",
		func(s *Settings, v string) error { return either(&s.Mask, v, "off", "on") }},
	{"metrics", "SHIM_METRICS", "", "[HOST]:PORT",
		"Where metrics are served for Prometheus, at /metrics. Off by default.",
		func(s *Settings, v string) error { s.Metrics = v; return checkMetrics(v) }},
	{"lambda-stream", "SHIM_LAMBDA_STREAM", "off", "on or off",
		"On AWS Lambda: whether answers are streamed (the function URL's invoke mode must be RESPONSE_STREAM).",
		func(s *Settings, v string) error { return either(&s.LambdaStream, v, "off", "on") }},
}

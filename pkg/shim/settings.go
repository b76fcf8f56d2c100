package shim

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// Settings are what flags and SHIM_* variables can change.
type Settings struct {
	// Listen is the address the platform calls: [HOST]:PORT, or the path of a
	// Unix socket, which begins with a slash.
	Listen string
	// Target is where the program listens: "" to find out, a port, HOST:PORT
	// or the path of a Unix socket.
	Target string
	// Grace is the time from SIGTERM to SIGKILL. Requests in flight are
	// drained within it. The default stays under the 10 s that docker waits.
	Grace time.Duration
	// Ready is how long a program may take until it listens.
	Ready time.Duration
	// RequestLog says whether the platform's log lines are written around
	// each request: on, off, or auto, which is on unless stdout is a terminal.
	RequestLog string
}

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
		"Where the shim listens. On Function Compute the default is the function's own port (FC_CUSTOM_LISTEN_PORT).",
		func(s *Settings, v string) error { s.Listen = v; return checkListen(v) }},
	{"target", "SHIM_TARGET", "", "PORT, HOST:PORT or /SOCKET",
		"Where the program listens. By default the shim finds out.",
		func(s *Settings, v string) (err error) { s.Target, err = parseTarget(v); return err }},
	{"grace", "SHIM_GRACE", "9s", "DURATION",
		"Time from SIGTERM to SIGKILL; requests in flight are drained within it.",
		func(s *Settings, v string) (err error) { s.Grace, err = parseDuration(v, 0); return err }},
	{"ready-timeout", "SHIM_READY_TIMEOUT", "120s", "DURATION",
		"How long the program may take until it listens.",
		func(s *Settings, v string) (err error) { s.Ready, err = parseDuration(v, time.Millisecond); return err }},
	{"request-log", "SHIM_REQUEST_LOG", "auto", "on, off or auto",
		"Whether the platform's log lines are written around each request; auto means unless stdout is a terminal.",
		func(s *Settings, v string) error {
			s.RequestLog = v
			if v != "on" && v != "off" && v != "auto" {
				return fmt.Errorf("want on, off or auto")
			}
			return nil
		}},
}

// Markdown renders Table for the documentation.
func Markdown() string {
	var b strings.Builder
	b.WriteString("| Flag | Variable | Value | Default | Meaning |\n|---|---|---|---|---|\n")
	for _, s := range Table {
		def := "–"
		if s.Default != "" {
			def = "`" + s.Default + "`"
		}
		fmt.Fprintf(&b, "| `--%s` | `%s` | %s | %s | %s |\n", s.Flag, s.Variable, s.Value, def, s.Help)
	}
	return b.String()
}

func checkListen(v string) error {
	if strings.HasPrefix(v, "/") {
		return nil
	}
	_, port, err := net.SplitHostPort(v)
	if err != nil {
		return fmt.Errorf("want [HOST]:PORT, such as :8080, or the path of a socket")
	}
	_, err = parsePort(port)
	return err
}

func parseTarget(v string) (string, error) {
	if v == "" || strings.HasPrefix(v, "/") {
		return v, nil
	}
	host, port := "127.0.0.1", v
	if strings.Contains(v, ":") {
		var err error
		if host, port, err = net.SplitHostPort(v); err != nil || host == "" {
			return "", fmt.Errorf("want a port, HOST:PORT or the path of a socket")
		}
	}
	n, err := parsePort(port)
	if err != nil {
		return "", err
	}
	return net.JoinHostPort(host, strconv.Itoa(n)), nil
}

func parsePort(v string) (int, error) {
	n, err := strconv.ParseUint(v, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("want a port from 1 to 65535")
	}
	return int(n), nil
}

func parseDuration(v string, least time.Duration) (time.Duration, error) {
	d, err := time.ParseDuration(v)
	if err != nil {
		return 0, fmt.Errorf("want a duration with its unit, such as 500ms, 10s or 2m")
	}
	if d < least || d > 24*time.Hour {
		return 0, fmt.Errorf("want a duration from %s to 24h", least)
	}
	return d, nil
}

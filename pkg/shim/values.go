package shim

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

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

func checkMetrics(v string) error {
	if v == "" {
		return nil
	}
	_, port, err := net.SplitHostPort(v)
	if err != nil {
		return fmt.Errorf("want [HOST]:PORT, such as 127.0.0.1:9090")
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

func parseCount(v string) (int, error) {
	n, err := strconv.ParseUint(v, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("want a number from 0 to 65535")
	}
	return int(n), nil
}

// units of sizes, as 1024s, longest first.
var units = []struct {
	name string
	size int64
}{{"KB", 1 << 10}, {"MB", 1 << 20}, {"GB", 1 << 30}, {"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {"B", 1}}

// parseSize reads bytes: 0 (no limit), or from least to most.
func parseSize(v string, least, most int64) (int64, error) {
	digits, unit := v, int64(1)
	for _, u := range units {
		if d, ok := strings.CutSuffix(strings.ToUpper(v), u.name); ok {
			digits, unit = d, u.size
			break
		}
	}
	n, err := strconv.ParseUint(strings.TrimSpace(digits), 10, 40)
	if err != nil {
		return 0, fmt.Errorf("want a size in bytes or with its unit, such as 64KB or 32MB")
	}
	size := int64(n) * unit
	if size != 0 && (size < least || size > most || int64(n) > most/unit) {
		return 0, fmt.Errorf("want 0 or a size from %d to %d bytes", least, most)
	}
	return size, nil
}

// oneOf stores v where it is among values.
func oneOf(to *string, v string, values ...string) error {
	for _, w := range values {
		if v == w {
			*to = v
			return nil
		}
	}
	n := len(values) - 1
	return fmt.Errorf("want %s or %s", strings.Join(values[:n], ", "), values[n])
}

// either stores whether v is yes.
func either(to *bool, v, no, yes string) error {
	*to = v == yes
	if v != no && v != yes {
		return fmt.Errorf("want %s or %s", no, yes)
	}
	return nil
}

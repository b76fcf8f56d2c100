package address

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/imgbuild/imgbuild/internal/lazyregexp"
)

var label = lazyregexp.New(`^[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?$`)

func checkHost(host string) error {
	name, port, err := splitPort(host)
	if err != nil {
		return err
	}
	if port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || port[0] == '+' {
			return fmt.Errorf("the port %q is not a number from 1 to 65535", shown(port))
		}
	}
	if ip, ok := strings.CutPrefix(name, "["); ok {
		if a, err := netip.ParseAddr(strings.TrimSuffix(ip, "]")); err != nil || !a.Is6() || a.Zone() != "" {
			return fmt.Errorf("the host %q is not an IPv6 address", shown(name))
		}
		return nil
	}
	if len(name) > 253 {
		return fmt.Errorf("the host has %d characters; 253 are allowed", len(name))
	}
	for l := range strings.SplitSeq(name, ".") {
		if len(l) > 63 || !label().MatchString(l) {
			return fmt.Errorf("the host %q is not a host name; give HOST[:PORT][/NAMESPACE], such as registry.example.com/base", shown(name))
		}
	}
	// Without a dot or a port it is a path for every other client ("golang" is
	// a repository of the default registry), so that references would mean
	// something else to them.
	if !strings.Contains(name, ".") && port == "" && name != "localhost" {
		return fmt.Errorf("%q is not a host: one has a dot or a port (registry.example.com, 127.0.0.1:5001), or is localhost; the built-in registry is %q", name, Embedded)
	}
	return nil
}

func splitPort(host string) (name, port string, err error) {
	if strings.HasPrefix(host, "[") {
		end := strings.Index(host, "]")
		if end < 0 {
			return "", "", fmt.Errorf("the host %q has no closing bracket", shown(host))
		}
		name, rest := host[:end+1], host[end+1:]
		if rest == "" {
			return name, "", nil
		}
		if rest[0] != ':' || rest == ":" {
			return "", "", fmt.Errorf("the host %q has something other than a port after its bracket", shown(host))
		}
		return name, rest[1:], nil
	}
	name, port, found := strings.Cut(host, ":")
	switch {
	case strings.Contains(port, ":"):
		return "", "", fmt.Errorf("the host %q has more than one colon; an IPv6 address goes in brackets, as in [::1]:5001", shown(host))
	case name == "":
		return "", "", fmt.Errorf("has no host; give HOST[:PORT][/NAMESPACE]")
	case found && port == "":
		return "", "", fmt.Errorf("the host %q ends in a colon; add the port or leave the colon out", shown(host))
	}
	return name, port, nil
}

// Loopback says that host, with or without port, is this machine itself:
// localhost, 127.0.0.0/8 or ::1. Names are not looked up.
func Loopback(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	if strings.EqualFold(name, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(strings.Trim(name, "[]"))
	return err == nil && a.Unmap().IsLoopback()
}

// Scheme is "http" on loopback and "https" elsewhere. There is no switch for
// plain HTTP to other machines: credentials would travel in the clear.
func Scheme(host string) string {
	if Loopback(host) {
		return "http"
	}
	return "https"
}

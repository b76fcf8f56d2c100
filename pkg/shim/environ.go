package shim

import (
	"net"
	"strconv"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/fc"
	"github.com/imgbuild/imgbuild/pkg/shim/program"
)

// Environ is a process environment, each entry NAME=value. Where a name is
// there twice the last one counts, as in a shell.
type Environ []string

// Get returns the value of name, "" where it is not set.
func (e Environ) Get(name string) string {
	return program.Getenv(e, name)
}

// with returns a copy in which name has that value.
func (e Environ) with(name, value string) Environ {
	out := make(Environ, 0, len(e)+1)
	for _, v := range e {
		if n, _, _ := strings.Cut(v, "="); n != name {
			out = append(out, v)
		}
	}
	return append(out, name+"="+value)
}

// portVariables tell a program where to listen: PORT is what most frameworks
// read, FC_SERVER_PORT and FC_CUSTOM_LISTEN_PORT what Function Compute's own
// samples for custom runtimes and custom containers do.
var portVariables = []string{"PORT", "FC_SERVER_PORT", "FC_CUSTOM_LISTEN_PORT"}

// onPlatform says whether Function Compute, or an emulator of it, started
// this container.
func (e Environ) onPlatform() bool {
	return e.Get("FC_INSTANCE_ID") != "" || e.Get("FC_FUNCTION_NAME") != ""
}

// onKnative says whether Knative Serving, or Cloud Run, started this container:
// each sets all three ("Knative runtime contract: environment", "Cloud Run
// container runtime contract: environment variables").
func (e Environ) onKnative() bool {
	return e.Get("K_SERVICE") != "" || e.Get("K_REVISION") != "" || e.Get("K_CONFIGURATION") != ""
}

// platformPort is the port that the platform will call, "" where none is known:
// FC_CUSTOM_LISTEN_PORT on Function Compute, PORT on Knative. Elsewhere PORT is
// what the program is told.
func (e Environ) platformPort() string {
	p := ""
	switch {
	case e.onPlatform():
		p = e.Get("FC_CUSTOM_LISTEN_PORT")
	case e.onKnative():
		p = e.Get("PORT")
	}
	if _, err := parsePort(p); err != nil {
		return ""
	}
	return p
}

// toldPort is the port that the program is told to listen on.
func toldPort(s Settings, env Environ) int {
	own := listenPort(s.Listen)
	if _, port, err := net.SplitHostPort(s.Target); err == nil {
		n, _ := strconv.Atoi(port)
		return n
	}
	for _, name := range portVariables {
		if n, err := parsePort(env.Get(name)); err == nil && n != own {
			return n
		}
	}
	if own == fc.DefaultPort {
		return 8080
	}
	return fc.DefaultPort
}

// childEnviron is the program's environment: the shim's, with the port that
// the program is told.
func childEnviron(s Settings, env Environ) Environ {
	own, told := listenPort(s.Listen), strconv.Itoa(toldPort(s, env))
	for _, name := range portVariables {
		v := env.Get(name)
		if n, err := parsePort(v); v == "" || (err == nil && n == own) {
			env = env.with(name, told)
		}
	}
	return env
}

// listenPort is the TCP port of a listen address, 0 for a Unix socket.
func listenPort(addr string) int {
	if strings.HasPrefix(addr, "/") {
		return 0
	}
	_, port, _ := net.SplitHostPort(addr)
	n, _ := strconv.Atoi(port)
	return n
}

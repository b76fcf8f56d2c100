package discovery

import (
	"cmp"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Times after which a place that the program was not told to listen on is
// believed to be its server, and not the first of several.
const (
	settle         = 100 * time.Millisecond
	settleUnix     = 300 * time.Millisecond
	settleUnlikely = 3 * time.Second
)

// debugPorts are where the debuggers of Node.js, Python and Java listen.
var debugPorts = []int{9229, 5678, 5005}

// FirstEphemeral is where Linux begins to choose ports by itself
// (ip_local_port_range).
const FirstEphemeral = 32768

// unlikelyNames are parts of paths of Unix sockets that are no HTTP server's:
// of run-times' own diagnostics (.NET, Java, tsx), of servers that speak
// another protocol (FastCGI, uwsgi, databases), and of daemons and agents.
var unlikelyNames = []string{
	"dotnet-diagnostic", "clr-debug", "corefxpipe", ".java_pid", "/tsx-", "vscode-", "debug",
	"fpm", "fcgi", "fastcgi", "uwsgi", "mysql", "mariadb", ".s.pgsql", "redis", "memcache", "mongodb",
	"docker", "containerd", "dbus", "/bus", "agent", "/s.gpg", "syslog", "/dev/log", "supervisor", "systemd", ".x11-unix",
	"singleton", "pulse", "control", "ctl",
}

// likelihood orders where a program listens.
type likelihood int

const (
	told       likelihood = iota // the port it was told
	server                       // any other
	localOnly                    // a server for this machine only
	unixSocket                   // a Unix socket
	unlikely                     // what hardly is a server: a debugger, or a random port on loopback as workers use among themselves
	unlikelyUnix
)

func likelihoodOf(a Address, toldPort int) likelihood {
	if a.Path != "" {
		name := strings.ToLower(filepath.Base(filepath.Dir(a.Path)) + "/" + filepath.Base(a.Path))
		if slices.ContainsFunc(unlikelyNames, func(part string) bool { return strings.Contains("/"+name, part) }) {
			return unlikelyUnix
		}
		return unixSocket
	}
	local := a.TCP.Addr().IsLoopback()
	switch {
	case a.Port() == toldPort:
		return told
	case slices.Contains(debugPorts, a.Port()), local && a.Port() >= FirstEphemeral:
		return unlikely
	case local:
		return localOnly
	}
	return server
}

// settleTime is how long what the program listens on must stay the same.
func (l likelihood) settleTime() time.Duration {
	switch l {
	case told:
		return 0
	case server, localOnly:
		return settle
	case unixSocket:
		return settleUnix
	}
	return settleUnlikely
}

// Choice is where requests go.
type Choice struct {
	// Addrs are all addresses of the chosen port, or one Unix socket.
	Addrs []Address
	// Told says it is the port the program was told; any other one is a guess.
	Told bool
	// Others counts other ports and sockets that may be servers as well.
	Others int
}

// Choose picks the program's server among the addresses it listens on, which
// have been the same for the time age: the port it was told, else TCP before
// Unix sockets, else the lowest. own is the shim's port, which it never is. ok
// is false while it is too early.
func Choose(found []Address, toldPort, own int, age time.Duration) (c Choice, ok bool) {
	found = slices.DeleteFunc(slices.Clone(found), func(a Address) bool { return a.Path == "" && a.Port() == own })
	if len(found) == 0 {
		return c, false
	}
	best := slices.MinFunc(found, func(a, b Address) int {
		return cmp.Or(cmp.Compare(likelihoodOf(a, toldPort), likelihoodOf(b, toldPort)), cmp.Compare(a.Port(), b.Port()), a.Compare(b))
	})
	chosen := likelihoodOf(best, toldPort)
	if age < chosen.settleTime() {
		return c, false
	}
	c.Told = chosen == told
	type place struct {
		path string
		port int
	}
	others := map[place]bool{}
	for _, a := range found {
		switch {
		case a == best, a.Path == "" && a.Port() == best.Port():
			c.Addrs = append(c.Addrs, a)
		case likelihoodOf(a, toldPort) < unlikely && (a.Path != "") == (best.Path != ""):
			others[place{a.Path, a.Port()}] = true
		}
	}
	c.Others = len(others)
	return c, true
}

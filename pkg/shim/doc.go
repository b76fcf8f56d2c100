// Package shim makes any program a correct container function: it is PID 1 of
// the container, starts the program, and carries the platform's calls from
// port 8080 to it. The program is not asked to change. It uses the standard
// library only and runs on Linux. README.md has the ideas and the map of the
// packages below this one; this one puts them together:
//
//	Parse (parse.go, settings.go) → Run (run.go) → begin: program.Start
//	    → watch where it listens (watch.go) → open the port (bind.go, serve.go)
//	    → supervise: signals (signals.go) → leave with the program's code
//
// # Who binds 8080
//
// The program always goes first. The shim looks at where the program and its
// descendants listen, and binds 8080 only once they listen somewhere else.
// Until then a connection to 8080 is refused, which is what the platform
// expects of a container that is not ready: it tries again for 120 s. A program
// that takes 8080 keeps it, and the shim only supervises.
//
// # Which port the program is told
//
// PORT, FC_SERVER_PORT and FC_CUSTOM_LISTEN_PORT each say 9000 to the program
// where they are not set, and also where they hold the shim's own port: the
// platform sets FC_CUSTOM_LISTEN_PORT (Knative: PORT) to the port that it will
// call, which is the shim's. Any other value is the user's and stays as it is;
// the first of them is then what the others say, too.
package shim

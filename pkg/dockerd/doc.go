// Package dockerd speaks with Docker's daemon by its API, where that is at a
// Unix socket of this machine: then no client program has to be started, which
// takes longer than most questions. Daemons at other places, which want TLS or
// ssh, are the client's to reach.
package dockerd

// Package container runs an image's container with nothing but what Linux
// itself has: namespaces, mounts and the imgbuild that calls it. There is no
// daemon, no network but loopback, and nothing to install. Where it is told to, an
// OCI runtime, runc or crun, starts the image's program.
//
// Unpack writes an image's files once, into the store. Start gives them to a
// new process as its root, read-only, with a writable top in memory that is
// gone when the process ends. As root that process has the namespaces of the
// machine above it. A plain user gets a user namespace in which that user is
// root (user_namespaces(7)): it is made once, and a process of imgbuild's own,
// the keeper, stays in it and starts the containers there, for nobody else may
// enter their networks.
//
// The first steps of a container are imgbuild itself, started again through
// /proc/self/exe, so a program that starts containers calls Main first.
//
// Where it is told to, a container has limits of memory and CPU, by a control
// group (package cgroup) which it is in before the image's program begins.
//
// Nothing outlives imgbuild, however it ends: containers get SIGKILL with their
// parent, their mounts and networks go with their namespaces, and folders and
// control groups of killed processes are swept. It is no fence against hostile images: a
// container has what Docker lets it have by default, but for system calls,
// which are not filtered.
package container

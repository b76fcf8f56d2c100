// Package cgroup limits and freezes the processes of a container by a control
// group of its own, made where this process has the right to, next to or below
// its own group: with cgroup v1, with v2, or with both beside each other.
//
// Facts are the kernel's documentation, "Control Group v2" and "Control Groups
// version 1".
//
// Freezing is v2's alone. What v1's freezer holds cannot be killed: a killed
// imgbuild would leave such processes for good.
package cgroup

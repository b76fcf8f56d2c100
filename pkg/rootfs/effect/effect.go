// Package effect does what the maintainer scripts of Debian packages would
// have done in a new root file system: accounts, CA certificates, the dynamic
// linker's cache, alternatives and a dozen small files. No script is run.
//
// Each effect names the script or tool it stands for. They are checked against
// a real root that debootstrap made (TestAgainstDebootstrap).
package effect

import "github.com/imgbuild/imgbuild/pkg/rootfs"

// All returns the effects in the order in which they must be applied: what
// makes files comes before what reads them.
func All() []rootfs.Effect {
	return []rootfs.Effect{
		passwd{},
		baseFiles{},
		shells{},
		nsswitch{},
		netbase{},
		timezone{},
		pam{},
		openssl{},
		caCertificates{},
		alternatives{},
		ldCache{},
	}
}

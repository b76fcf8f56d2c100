package discovery

import (
	"net/netip"
	"os"
	"slices"

	"github.com/imgbuild/imgbuild/pkg/shim/program"
)

// Finder finds the sockets on which the program or a descendant of it
// listens.
type Finder struct {
	// before are the sockets that were there before the program was started.
	before map[string]bool
	// last is what the previous scan saw and what it found; stale counts
	// scans since processes were last looked at.
	last  []listener
	found []netip.AddrPort
	stale int
}

// rescanEvery makes processes be looked at again at times even if the sockets
// are the same, because a socket may be handed on or a scan may have raced
// with a fork.
const rescanEvery = 16

// NewFinder must be called before the program is started.
func NewFinder() *Finder {
	d := &Finder{before: map[string]bool{}}
	all, _ := readListeners()
	for _, l := range all {
		d.before[l.inode] = true
	}
	return d
}

// Find returns the addresses that the program listens on, sorted. Reading the
// table of sockets is cheap; processes are looked at only where it changed.
func (d *Finder) Find() ([]netip.AddrPort, error) {
	all, err := readListeners()
	if err != nil {
		return nil, err
	}
	if d.stale++; slices.Equal(all, d.last) && d.stale < rescanEvery {
		return d.found, nil
	}
	d.stale = 0
	d.last, d.found = all, d.owned(all)
	return d.found, nil
}

func (d *Finder) owned(all []listener) []netip.AddrPort {
	if len(all) == 0 {
		return nil
	}
	inodes, hidden := map[string]bool{}, map[string]bool{}
	for _, pid := range program.Descendants(os.Getpid()) {
		if uid, ok := sockets(pid, inodes); ok {
			// Another user's process, and without CAP_SYS_PTRACE its files
			// are not shown: what that user opened since is the program's.
			hidden[uid] = true
		}
	}
	var found []netip.AddrPort
	for _, l := range all {
		if inodes[l.inode] || hidden[l.uid] && !d.before[l.inode] {
			found = append(found, l.addr)
		}
	}
	slices.SortFunc(found, netip.AddrPort.Compare)
	return slices.Compact(found)
}

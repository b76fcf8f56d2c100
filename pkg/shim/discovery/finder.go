package discovery

import (
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/imgbuild/imgbuild/pkg/shim/program"
)

// Finder finds the sockets on which the program or a descendant of it
// listens. It is for one goroutine.
type Finder struct {
	table table
	// before are the sockets that were there before the program was started.
	before map[uint64]bool
	// last is what the previous scan saw and what it found; looked is when
	// processes were last looked at. spare is last's memory in turn.
	last, spare []socket
	found       []Address
	looked      time.Time
	// unix are the Unix sockets of when they were last looked at.
	unix       []socket
	lookedUnix time.Time
}

// unixEvery is the time between two looks at the Unix sockets. A server on one
// is believed later than that anyway.
const unixEvery = 20 * time.Millisecond

// rescanAfter makes processes be looked at again at times even if the sockets
// are the same, because a socket may be handed on or a scan may have raced
// with a fork.
const rescanAfter = 20 * time.Millisecond

// NewFinder must be called before the program is started.
func NewFinder() *Finder {
	f := &Finder{before: map[uint64]bool{}}
	all, _ := f.table.read(nil)
	for _, s := range all {
		f.before[s.inode] = true
	}
	return f
}

// Find returns where the program listens, sorted; the slice is valid until
// the next call. Reading the table of sockets is cheap; processes are looked
// at only where it changed. It fails only where neither netlink nor /proc is
// to be had.
func (f *Finder) Find() ([]Address, error) {
	all, err := f.table.readTCP(f.spare[:0])
	if err != nil {
		return nil, err
	}
	now := time.Now()
	if now.Sub(f.lookedUnix) >= unixEvery {
		f.unix, f.lookedUnix = f.table.readUnix(f.unix[:0]), now
	}
	all = append(all, f.unix...)
	if slices.Equal(all, f.last) && (len(all) == 0 || now.Sub(f.looked) < rescanAfter) {
		f.spare = all
		return f.found, nil
	}
	f.last, f.spare = all, f.last
	f.found, f.looked = f.owned(all), now
	return f.found, nil
}

func (f *Finder) owned(all []socket) []Address {
	if len(all) == 0 {
		return nil
	}
	held, hidden := holders{}, map[uint32]bool{}
	for _, pid := range program.Descendants(os.Getpid()) {
		if uid, ok := held.add(pid); ok && uid != unknownUser {
			// What a user whose processes are not shown opened since the
			// start is the program's.
			hidden[uid] = true
		}
	}
	// A process that was just forked has a copy of the shim's own sockets
	// until it executes its program.
	own := holders{}
	own.add(os.Getpid())
	var found []Address
	for _, s := range all {
		_, isOwn := own[s.inode]
		if isOwn && !f.before[s.inode] {
			continue
		}
		pid, ok := held[s.inode]
		if !ok && (isOwn || f.before[s.inode] || !hidden[user(s)]) {
			continue
		}
		if s.Path != "" {
			if s.Path = reachable(s.Path, pid); s.Path == "" {
				continue
			}
		}
		found = append(found, s.Address)
	}
	slices.SortFunc(found, Address.Compare)
	return slices.Compact(found)
}

// user is who made the socket, for a Unix socket at least who owns its path.
func user(s socket) uint32 {
	if s.uid != unknownUser || s.Path == "" {
		return s.uid
	}
	var st syscall.Stat_t
	if syscall.Stat(s.Path, &st) != nil {
		return unknownUser
	}
	return st.Uid
}

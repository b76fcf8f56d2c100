package discovery

import "syscall"

// socket is one socket that accepts connections.
type socket struct {
	Address
	inode uint64
	uid   uint32
}

// unknownUser is the uid of a socket whose user Linux does not tell.
const unknownUser = ^uint32(0)

// table reads the listening sockets of this network namespace: TCP, and Unix
// stream sockets with a path. Where netlink is refused, or this kernel has it
// not built in, it reads /proc.
type table struct {
	diag *diag
	// noDiag: there is no netlink at all. noUnixDiag: none for Unix sockets
	// (CONFIG_UNIX_DIAG).
	noDiag, noUnixDiag bool
}

// read appends to a slice that may be used again. It fails only where neither
// netlink nor /proc answers.
func (t *table) read(to []socket) (all []socket, err error) {
	if all, err = t.readTCP(to); err != nil {
		return all, err
	}
	if !t.noDiag && !t.noUnixDiag {
		n := len(all)
		if all, err = t.diag.dump(all, unixRequest()); err == nil {
			return all, nil
		}
		t.noUnixDiag, all = true, all[:n]
	}
	return readUnixTable(all), nil
}

func (t *table) readTCP(to []socket) ([]socket, error) {
	if t.diag == nil && !t.noDiag {
		var err error
		t.diag, err = openDiag()
		t.noDiag = err != nil
	}
	if !t.noDiag {
		all, err := t.diag.dump(to, inetRequest(syscall.AF_INET))
		if err == nil {
			all, err = t.diag.dump(all, inetRequest(syscall.AF_INET6))
		}
		if err == nil {
			return all, nil
		}
		t.diag.close()
		t.noDiag = true
	}
	return readTCPTables(to)
}

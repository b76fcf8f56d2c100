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

// read appends all of them. It fails only where neither netlink nor /proc
// answers.
func (t *table) read(to []socket) (all []socket, err error) {
	if all, err = t.readTCP(to); err != nil {
		return all, err
	}
	return t.readUnix(all), nil
}

// readUnix appends the Unix sockets; where they cannot be read there are none.
func (t *table) readUnix(to []socket) []socket {
	if !t.noDiag && !t.noUnixDiag {
		all, err := t.diag.dump(to, unixRequest())
		if err == nil {
			return all
		}
		t.noUnixDiag = true
	}
	return readUnixTable(to)
}

// readTCP appends the TCP sockets. It comes before readUnix.
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

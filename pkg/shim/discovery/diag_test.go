package discovery

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"
)

// TestTable: netlink and /proc tell the same of sockets of every kind.
func TestTable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "with  two spaces.sock")
	want := []string{path}
	for network, addr := range map[string]string{"tcp4": "127.0.0.1:0", "tcp6": "[::1]:0", "tcp": ":0", "unix": path} {
		l, err := net.Listen(network, addr)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if network != "unix" {
			want = append(want, l.Addr().String())
		}
	}
	if l, err := net.Listen("unix", "@imgbuild-abstract"); err == nil {
		defer l.Close()
	}
	if l, err := net.Listen("unixpacket", filepath.Join(t.TempDir(), "packet")); err == nil {
		defer l.Close()
	}
	conn, err := net.Dial("unix", path) // a connected socket is none that listens
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()

	byDiag, byProc := &table{}, &table{noDiag: true}
	diag := mine(t, byDiag, len(want))
	proc := mine(t, byProc, len(want))
	if byDiag.noDiag || byDiag.noUnixDiag {
		t.Logf("this kernel refuses netlink (TCP %t, Unix %t): /proc alone is tested", byDiag.noDiag, byDiag.noUnixDiag)
	}
	slices.Sort(want)
	if len(diag) != len(want) || len(proc) != len(want) {
		t.Fatalf("netlink has %d, /proc %d, want %d", len(diag), len(proc), len(want))
	}
	for i, s := range want {
		if got := diag[i].String(); got != s {
			t.Errorf("netlink has %s, want %s", got, s)
		}
		if diag[i].Address != proc[i].Address || diag[i].inode != proc[i].inode {
			t.Errorf("netlink has %+v, /proc %+v", diag[i], proc[i])
		}
		if diag[i].uid != uint32(os.Getuid()) && !byDiag.noUnixDiag {
			t.Errorf("%s belongs to %d", s, diag[i].uid)
		}
	}
}

// mine are this process's listening sockets, which are so many. Linux gives a
// table in pieces, and may leave one out between them where sockets of others
// go meanwhile; so it is asked again.
func mine(t *testing.T, table *table, want int) (all []socket) {
	t.Helper()
	held := holders{}
	held.add(os.Getpid())
	for range 50 {
		var err error
		if all, err = table.read(nil); err != nil {
			t.Fatal(err)
		}
		all = slices.DeleteFunc(all, func(s socket) bool { _, ok := held[s.inode]; return !ok })
		if len(all) >= want {
			break
		}
	}
	slices.SortFunc(all, func(a, b socket) int {
		if a.String() < b.String() {
			return -1
		}
		return 1
	})
	return all
}

// TestManySockets: a dump that takes several messages is whole.
func TestManySockets(t *testing.T) {
	dir := t.TempDir()
	for i := range 500 {
		l, err := net.Listen("unix", filepath.Join(dir, string(rune('a'+i%26))+time.Duration(i).String()))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		defer l.Close()
	}
	for _, table := range []*table{{}, {noDiag: true}} {
		if got := len(mine(t, table, 1000)); got != 1000 {
			t.Errorf("%d sockets, want 1000", got)
		}
	}
}

// netlinkMessage is a netlink message.
func netlinkMessage(kind uint16, seq uint32, body []byte) []byte {
	b := make([]byte, headSize, headSize+len(body))
	native.PutUint32(b, uint32(headSize+len(body)))
	native.PutUint16(b[4:], kind)
	native.PutUint32(b[8:], seq)
	return append(b, body...)
}

func TestParseDump(t *testing.T) {
	refused := make([]byte, 4)
	native.PutUint32(refused, uint32(0x100000000-int64(syscall.ENOENT)))
	if _, _, err := parseDump(nil, netlinkMessage(syscall.NLMSG_ERROR, 3, refused), 3); err == nil || err.Error() != "sock_diag: no such file or directory" {
		t.Errorf("an error became %v", err)
	}
	if _, done, err := parseDump(nil, netlinkMessage(syscall.NLMSG_ERROR, 2, refused), 3); done || err != nil {
		t.Errorf("the error of an earlier request became %t, %v", done, err)
	}
	if _, done, _ := parseDump(nil, netlinkMessage(syscall.NLMSG_DONE, 3, nil), 3); !done {
		t.Error("the end was not seen")
	}
	if _, _, err := parseDump(nil, netlinkMessage(syscall.NLMSG_DONE, 3, nil)[:headSize], 4); err != nil {
		t.Errorf("an earlier end: %v", err)
	}
	long := netlinkMessage(sockDiagByFamily, 3, nil)
	long[0] = 200
	if _, _, err := parseDump(nil, long, 3); err == nil {
		t.Error("a message longer than its datagram was taken")
	}
}

func FuzzParseDump(f *testing.F) {
	unix := make([]byte, unixAnswerSize)
	unix[0], unix[1], unix[2], unix[4] = syscall.AF_UNIX, syscall.SOCK_STREAM, stateListen, 1
	f.Add(netlinkMessage(sockDiagByFamily, 1, append(unix, 9, 0, 0, 0, '/', 'x', 0, 0, 0, 0, 0, 0, 8, 0, 7, 0, 1, 0, 0, 0)))
	inet := make([]byte, inetAnswerSize)
	inet[0], inet[1], inet[68] = syscall.AF_INET6, stateListen, 1
	f.Add(append(netlinkMessage(sockDiagByFamily, 1, inet), netlinkMessage(syscall.NLMSG_DONE, 1, nil)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		all, _, _ := parseDump(nil, b, 1)
		for _, s := range all {
			if s.inode == 0 || s.TCP.IsValid() == (s.Path != "") {
				t.Errorf("%+v", s)
			}
		}
	})
}

func BenchmarkRead(b *testing.B) {
	for name, table := range map[string]*table{"netlink": {}, "proc": {noDiag: true}} {
		b.Run(name, func(b *testing.B) {
			var all []socket
			for b.Loop() {
				all, _ = table.read(all[:0])
			}
		})
	}
}

package discovery

import (
	"fmt"
	"strings"
	"testing"
)

const tcpTable = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 12345 1 0000 100 0 0 10 0
   1: 00000000:2328 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 777 1 0000 100 0 0 10 0
   2: 0100007F:1F90 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 778 1 0000 100 0 0 10 0
   3: nonsense
   4: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 9 1 0 100 0 0 10 0
   5: 00000000000000000000000000000000:0051 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 10 1 0 100 0 0 10 0
`

func TestParseTCP(t *testing.T) {
	var got []string
	for _, l := range parseTCP(nil, strings.NewReader(tcpTable)) {
		got = append(got, fmt.Sprintf("%s %d %d", l.Address, l.inode, l.uid))
	}
	want := "127.0.0.1:8080 12345 1000, 0.0.0.0:9000 777 0, [::1]:80 9 0, [::]:81 10 0"
	if strings.Join(got, ", ") != want {
		t.Errorf("%v, want %s", got, want)
	}
}

func FuzzParseTCP(f *testing.F) {
	f.Add(tcpTable)
	f.Fuzz(func(t *testing.T, s string) {
		for _, l := range parseTCP(nil, strings.NewReader(s)) {
			if !l.TCP.IsValid() {
				t.Errorf("%+v", l)
			}
		}
	})
}

const unixTable = `Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 12345 /run/with  two spaces.sock
0000000000000000: 00000002 00000000 00010000 0001 01    17 @abstract
0000000000000000: 00000003 00000000 00000000 0001 03    18 /run/connected
0000000000000000: 00000002 00000000 00010000 0005 01    19 /run/seqpacket
0000000000000000: 00000002 00000000 00010000 0001 01    20
0000000000000000: 00000002 00000000 00010000 0001 01     1 app.sock
`

func TestParseUnixTable(t *testing.T) {
	var got []string
	for _, s := range parseUnixTable(nil, strings.NewReader(unixTable)) {
		got = append(got, fmt.Sprintf("%s %d", s.Address, s.inode))
	}
	if want := "/run/with  two spaces.sock 12345, app.sock 1"; strings.Join(got, ", ") != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func FuzzParseUnixTable(f *testing.F) {
	f.Add(unixTable)
	f.Fuzz(func(t *testing.T, s string) {
		for _, l := range parseUnixTable(nil, strings.NewReader(s)) {
			if l.Path == "" || l.inode == 0 {
				t.Errorf("%+v", l)
			}
		}
	})
}

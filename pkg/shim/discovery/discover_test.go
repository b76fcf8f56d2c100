package discovery

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 12345 1 0000 100 0 0 10 0
   1: 00000000:2328 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 777 1 0000 100 0 0 10 0
   2: 0100007F:1F90 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 778 1 0000 100 0 0 10 0
   3: nonsense
   4: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 9 1 0 100 0 0 10 0
   5: 00000000000000000000000000000000:0051 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 10 1 0 100 0 0 10 0
`

func TestParseListeners(t *testing.T) {
	var got []string
	for _, l := range parseListeners(nil, strings.NewReader(table)) {
		got = append(got, l.addr.String()+" "+l.inode+" "+l.uid)
	}
	want := "127.0.0.1:8080 12345 1000, 0.0.0.0:9000 777 0, [::1]:80 9 0, [::]:81 10 0"
	if strings.Join(got, ", ") != want {
		t.Errorf("%v, want %s", got, want)
	}
}

func FuzzParseListeners(f *testing.F) {
	f.Add(table)
	f.Fuzz(func(t *testing.T, s string) {
		for _, l := range parseListeners(nil, strings.NewReader(s)) {
			if !l.addr.IsValid() {
				t.Errorf("%+v", l)
			}
		}
	})
}

func TestChoose(t *testing.T) {
	const told, own = 9000, 8080
	for _, test := range []struct {
		found string
		age   time.Duration
		want  string // "" while it is too early
	}{
		{"", time.Hour, ""},
		{"0.0.0.0:9000", 0, "127.0.0.1:9000"},
		{"[::]:9000", 0, "[::1]:9000 127.0.0.1:9000"},
		{"0.0.0.0:3000", 0, ""},
		{"0.0.0.0:3000", settle, "127.0.0.1:3000"},
		{"0.0.0.0:3000 0.0.0.0:9000", 0, "127.0.0.1:9000"},
		{"0.0.0.0:8080", time.Hour, ""},
		{"127.0.0.1:2000 172.17.0.2:3000", settle, "172.17.0.2:3000"},
		{"127.0.0.1:3000 [::1]:3000", settle, "127.0.0.1:3000 [::1]:3000"},
		{"127.0.0.1:40000", settle, ""},
		{"127.0.0.1:40000", settleUnlikely, "127.0.0.1:40000"},
		{"0.0.0.0:9229", settle, ""},
		{"0.0.0.0:9229 [::]:9300", settle, "[::1]:9300 127.0.0.1:9300"},
	} {
		var found []netip.AddrPort
		for _, a := range strings.Fields(test.found) {
			found = append(found, netip.MustParseAddrPort(a))
		}
		c, ok := Choose(found, told, own, test.age)
		if got := strings.Join(DialAddrs(c.Addrs), " "); got != test.want || ok != (test.want != "") {
			t.Errorf("%s after %s: %q %t, want %q", test.found, test.age, got, ok, test.want)
		}
	}
}

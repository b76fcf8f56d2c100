package discovery

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

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
		{"/run/app.sock", settle, ""},
		{"/run/app.sock", settleUnix, "/run/app.sock"},
		{"0.0.0.0:3000 /run/app.sock", settle, "127.0.0.1:3000"},
		{"0.0.0.0:9229 /run/app.sock", settleUnix, "/run/app.sock"},
		{"/run/a.sock /run/b.sock", settleUnix, "/run/a.sock"},
		{"/tmp/dotnet-diagnostic-7-1-socket /tmp/x", settleUnix, "/tmp/x"},
		{"/run/php/php8.4-fpm.sock", settleUnix, ""},
		{"/run/php/php8.4-fpm.sock", settleUnlikely, "/run/php/php8.4-fpm.sock"},
		{"/tmp/ssh-x/agent.1", settleUnix, ""},
		{"0.0.0.0:9229 /tmp/.java_pid7", settleUnlikely, "127.0.0.1:9229"},
	} {
		var found []Address
		for _, a := range strings.Fields(test.found) {
			if strings.HasPrefix(a, "/") {
				found = append(found, Address{Path: a})
				continue
			}
			found = append(found, Address{TCP: netip.MustParseAddrPort(a)})
		}
		c, ok := Choose(found, told, own, test.age)
		if got := strings.Join(DialAddrs(c.Addrs), " "); got != test.want || ok != (test.want != "") {
			t.Errorf("%s after %s: %q %t, want %q", test.found, test.age, got, ok, test.want)
		}
	}
}

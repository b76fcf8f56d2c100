package check

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// line is one of /proc/net/tcp, as this machine's kernel writes an address.
func line(addr string, port int, state string) string {
	a := netip.MustParseAddr(addr)
	text := ""
	for b := a.AsSlice(); len(b) > 0; b = b[4:] {
		text += fmt.Sprintf("%08X", binary.NativeEndian.Uint32(b))
	}
	return fmt.Sprintf("   0: %s:%04X 00000000:0000 %s 00000000:00000000 00:00000000 00000000 0 0 1 1 0 100 0 0 10 0\n", text, port, state)
}

func TestListening(t *testing.T) {
	head := "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	for text, want := range map[string][]string{
		head:                                 nil,
		head + line("0.0.0.0", 8080, listen): {"0.0.0.0"},
		head + line("127.0.0.1", 8080, listen) + line("::1", 8080, listen):      {"127.0.0.1", "::1"},
		head + line("::", 8080, listen) + line("0.0.0.0", 9000, listen):         {"::"},
		head + line("10.1.2.3", 8080, "01") + line("2001:db8::1", 8080, listen): {"2001:db8::1"},
		head + line("::ffff:127.0.0.1", 8080, listen):                           {"127.0.0.1"},
	} {
		found, err := listening(bufio.NewScanner(strings.NewReader(text)), 8080)
		var got []string
		for _, a := range found {
			got = append(got, a.String())
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v; want %v", text, got, err, want)
		}
	}
}

func FuzzListening(f *testing.F) {
	f.Add(line("0.0.0.0", 8080, listen))
	f.Add("0: 0000:1F90 0:0 0A\n0: zz:zz 0 0A")
	f.Fuzz(func(t *testing.T, text string) {
		found, err := listening(bufio.NewScanner(strings.NewReader(text)), 8080)
		for _, a := range found {
			if err == nil && !a.IsValid() {
				t.Errorf("%q: an address that is none", text)
			}
		}
	})
}

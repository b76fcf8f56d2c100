package http2

import "github.com/imgbuild/imgbuild/pkg/shim/message"

// static is the table that both sides know (RFC 7541, appendix A). Indexes
// begin with 1.
var static = [...]message.Field{
	{},
	{Name: ":authority", Value: ""},
	{Name: ":method", Value: "GET"},
	{Name: ":method", Value: "POST"},
	{Name: ":path", Value: "/"},
	{Name: ":path", Value: "/index.html"},
	{Name: ":scheme", Value: "http"},
	{Name: ":scheme", Value: "https"},
	{Name: ":status", Value: "200"},
	{Name: ":status", Value: "204"},
	{Name: ":status", Value: "206"},
	{Name: ":status", Value: "304"},
	{Name: ":status", Value: "400"},
	{Name: ":status", Value: "404"},
	{Name: ":status", Value: "500"},
	{Name: "accept-charset", Value: ""},
	{Name: "accept-encoding", Value: "gzip, deflate"},
	{Name: "accept-language", Value: ""},
	{Name: "accept-ranges", Value: ""},
	{Name: "accept", Value: ""},
	{Name: "access-control-allow-origin", Value: ""},
	{Name: "age", Value: ""},
	{Name: "allow", Value: ""},
	{Name: "authorization", Value: ""},
	{Name: "cache-control", Value: ""},
	{Name: "content-disposition", Value: ""},
	{Name: "content-encoding", Value: ""},
	{Name: "content-language", Value: ""},
	{Name: "content-length", Value: ""},
	{Name: "content-location", Value: ""},
	{Name: "content-range", Value: ""},
	{Name: "content-type", Value: ""},
	{Name: "cookie", Value: ""},
	{Name: "date", Value: ""},
	{Name: "etag", Value: ""},
	{Name: "expect", Value: ""},
	{Name: "expires", Value: ""},
	{Name: "from", Value: ""},
	{Name: "host", Value: ""},
	{Name: "if-match", Value: ""},
	{Name: "if-modified-since", Value: ""},
	{Name: "if-none-match", Value: ""},
	{Name: "if-range", Value: ""},
	{Name: "if-unmodified-since", Value: ""},
	{Name: "last-modified", Value: ""},
	{Name: "link", Value: ""},
	{Name: "location", Value: ""},
	{Name: "max-forwards", Value: ""},
	{Name: "proxy-authenticate", Value: ""},
	{Name: "proxy-authorization", Value: ""},
	{Name: "range", Value: ""},
	{Name: "referer", Value: ""},
	{Name: "refresh", Value: ""},
	{Name: "retry-after", Value: ""},
	{Name: "server", Value: ""},
	{Name: "set-cookie", Value: ""},
	{Name: "strict-transport-security", Value: ""},
	{Name: "transfer-encoding", Value: ""},
	{Name: "user-agent", Value: ""},
	{Name: "vary", Value: ""},
	{Name: "via", Value: ""},
	{Name: "www-authenticate", Value: ""},
}

// staticNames has the first index of each name in static.
var staticNames = func() map[string]int {
	names := make(map[string]int, len(static))
	for i := len(static) - 1; i > 0; i-- {
		names[static[i].Name] = i
	}
	return names
}()

// entryOverhead is what an entry of a table, or a field of a list, counts for
// beside its bytes (RFC 7541, section 4.1; RFC 9113, section 6.5.2).
const entryOverhead = 32

func entrySize(f message.Field) int { return len(f.Name) + len(f.Value) + entryOverhead }

// table is the dynamic table: a ring of entries (RFC 7541, section 2.3.2).
type table struct {
	ring  []message.Field
	first int // the newest entry
	count int
	size  int
	limit int
}

// at returns the entry of an index of both tables.
func (t *table) at(index uint64) (message.Field, bool) {
	if index < uint64(len(static)) {
		return static[index], index > 0
	}
	if index -= uint64(len(static)); index < uint64(t.count) {
		return t.ring[(t.first+int(index))%len(t.ring)], true
	}
	return message.Field{}, false
}

// add puts an entry in front, after it has made room for it. One that is
// larger than the table only empties it (RFC 7541, section 4.4).
func (t *table) add(f message.Field) {
	t.shrink(t.limit - entrySize(f))
	if entrySize(f) > t.limit {
		return
	}
	if t.count == len(t.ring) {
		larger := make([]message.Field, max(16, 2*t.count))
		for i := range t.count {
			larger[i] = t.ring[(t.first+i)%len(t.ring)]
		}
		t.ring, t.first = larger, 0
	}
	t.first = (t.first + len(t.ring) - 1) % len(t.ring)
	t.ring[t.first] = f
	t.count++
	t.size += entrySize(f)
}

// shrink drops the oldest entries until the size is at most n.
func (t *table) shrink(n int) {
	for t.count > 0 && t.size > n {
		oldest := &t.ring[(t.first+t.count-1)%len(t.ring)]
		t.size -= entrySize(*oldest)
		*oldest = message.Field{}
		t.count--
	}
}

func (t *table) setLimit(n int) {
	t.limit = n
	t.shrink(n)
}

package relay

import (
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/imgbuild/imgbuild/pkg/shim/http1"
	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// conn is a connection to the program.
type conn struct {
	*http1.Client
	generation int
	used       bool // it has carried an answer
	idleSince  time.Time
	// announced is how long the program said that it keeps the connection
	// when it is idle, 0 where it did not say.
	announced time.Duration
}

func newConn(c net.Conn) *conn { return &conn{Client: http1.NewClient(c)} }

// keepAlive reads how long the program keeps idle connections, from the field
// that Node.js and others send (RFC 2068, section 19.7.1.1).
func keepAlive(h message.Header) time.Duration {
	for t := range h.Tokens("Keep-Alive") {
		name, value, _ := strings.Cut(t, "=")
		if message.Same(strings.TrimSpace(name), "timeout") {
			if n, err := strconv.Atoi(strings.TrimSpace(value)); err == nil && n > 0 {
				return time.Duration(min(n, 1<<20)) * time.Second
			}
		}
	}
	return 0
}

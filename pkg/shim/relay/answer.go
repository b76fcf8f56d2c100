package relay

import (
	"io"

	"github.com/imgbuild/imgbuild/pkg/shim/http1"
	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// answer passes on the answer that begins with r.
func (e *exchange) answer(c *conn, r *http1.Response) error {
	if r.Status == 101 {
		return e.upgrade(c, r)
	}
	c.announced = keepAlive(r.Header)
	e.begun = true
	head := message.Head{Status: r.Status, Reason: r.Reason, Header: strip(r.Header, r.Status == 426), Length: r.Framing.Length}
	if r.Status == 204 {
		head.Length = 0 // what it says there counts for nothing (RFC 9110, section 8.6)
	}
	err := e.x.Head(head)
	if err == nil && r.Framing.Kind != http1.None {
		err = e.pass(c)
	} else if err != nil {
		err = message.ErrAborted
	}
	if err != nil {
		failed := e.failure(err)
		e.discard(c)
		return failed
	}
	return e.end(c)
}

// pass passes the body on. What has come is sent before more is waited for.
func (e *exchange) pass(c *conn) error {
	buf := buffers.get()
	defer buffers.put(buf)
	c.Downstream = e.x
	defer func() { c.Downstream = nil }()
	for {
		n, err := c.Read(buf)
		if n > 0 {
			if _, err := e.x.Write(buf[:n]); err != nil {
				return message.ErrAborted
			}
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

// end completes the answer and keeps the connection where it can be used
// again.
func (e *exchange) end(c *conn) error {
	sent := true
	if e.sender != nil {
		_ = e.x.Flush()
		sent = e.sender.settle()
	}
	reusable := sent && c.Reusable()
	if !reusable {
		e.discard(c)
	}
	err := e.x.End(c.Trailer())
	if reusable {
		e.letGo()
		e.relay.pool.put(c)
	}
	if err != nil {
		return message.ErrAborted
	}
	return nil
}

// strip takes off, in place, the fields of an answer that are for one hop only
// or say how it is framed (RFC 9110, section 7.6.1). upgrade keeps those about
// a change of protocol.
func strip(h message.Header, upgrade bool) message.Header {
	named := namesFields(h)
	var connection []string
	if named {
		for t := range h.Tokens("Connection") {
			connection = append(connection, t)
		}
	}
	kept := h[:0]
	for _, f := range h {
		switch len(f.Name) {
		case len("TE"):
			if message.Same(f.Name, "TE") {
				continue
			}
		case len("Upgrade"):
			if message.Same(f.Name, "Upgrade") && !upgrade {
				continue
			}
		case len("Connection"):
			if message.Same(f.Name, "Connection") || message.Same(f.Name, "Keep-Alive") {
				continue
			}
		case len("Content-Length"):
			if message.Same(f.Name, "Content-Length") {
				continue
			}
		case len("Proxy-Connection"):
			if message.Same(f.Name, "Proxy-Connection") {
				continue
			}
		case len("Transfer-Encoding"):
			if message.Same(f.Name, "Transfer-Encoding") {
				continue
			}
		}
		if named && isNamed(connection, f.Name) && !upgrade {
			continue
		}
		kept = append(kept, f)
	}
	return kept
}

func isNamed(connection []string, name string) bool {
	for _, t := range connection {
		if message.Same(t, name) {
			return true
		}
	}
	return false
}

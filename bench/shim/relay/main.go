// Command relay carries requests and answers between two sockets and looks at
// nothing but where they end: no check, no rule, no log, no failure handled. It
// is what two sockets cost in Go, and no server that anybody could run.
package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
)

func main() {
	l, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("LISTEN"))
	for err == nil {
		var client net.Conn
		if client, err = l.Accept(); err == nil {
			go carry(client)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// carry serves one client over one connection to the program.
func carry(client net.Conn) {
	defer client.Close()
	program, err := net.Dial("tcp", "127.0.0.1:"+os.Getenv("PORT"))
	if err != nil {
		return
	}
	defer program.Close()
	b := make([]byte, 16<<10)
	for move(b, client, program) && move(b, program, client) {
	}
}

// move carries one message, which must be whole in b.
func move(b []byte, from, to net.Conn) bool {
	for have, want := 0, 0; ; {
		n, err := from.Read(b[have:])
		if err != nil {
			return false
		}
		have += n
		if want == 0 {
			if head := bytes.Index(b[:have], []byte("\r\n\r\n")); head >= 0 {
				want = head + 4 + length(b[:head])
			}
		}
		if want > 0 && have >= want {
			_, err := to.Write(b[:want])
			return err == nil
		}
	}
}

// length is the value of Content-Length, 0 where there is none.
func length(head []byte) (n int) {
	_, rest, ok := bytes.Cut(head, []byte("\r\nContent-Length: "))
	for ok && len(rest) > 0 && rest[0] >= '0' && rest[0] <= '9' {
		n, rest = n*10+int(rest[0]-'0'), rest[1:]
	}
	return n
}

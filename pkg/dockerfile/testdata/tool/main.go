// Command tool is all that there is in the images of the tests.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"time"
)

func main() {
	args := os.Args[1:]
	fmt.Println("running", len(args))
	if len(args) == 0 {
		return
	}
	switch args[0] {
	case "fail": // fail CODE
		fmt.Fprintln(os.Stderr, "this goes wrong")
		code, _ := strconv.Atoi(args[1])
		os.Exit(code)
	case "sleep":
		time.Sleep(time.Hour)
	case "size": // size FILE BYTES
		b, err := os.ReadFile(args[1])
		want(len(b), args[2], err)
	case "variable": // variable NAME BYTES
		want(len(os.Getenv(args[1])), args[2], nil)
	case "count": // count FOLDER N
		entries, err := os.ReadDir(args[1])
		want(len(entries), args[2], err)
	case "agent": // agent KEY: the SSH agent has it
		keys, err := agentKeys()
		key, _ := base64.StdEncoding.DecodeString(args[1])
		want(bytes.Count(keys, key), "1", err)
	}
}

func want(got int, text string, err error) {
	if err != nil || strconv.Itoa(got) != text {
		fmt.Fprintln(os.Stderr, "there are", got, err)
		os.Exit(1)
	}
}

// agentKeys is what the SSH agent answers when it is asked for its keys
// (draft-ietf-sshm-ssh-agent, section 3.5).
func agentKeys() ([]byte, error) {
	conn, err := net.Dial("unix", os.Getenv("SSH_AUTH_SOCK"))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if _, err := conn.Write([]byte{0, 0, 0, 1, 11}); err != nil {
		return nil, err
	}
	var length uint32
	if err := binary.Read(conn, binary.BigEndian, &length); err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(conn, int64(length)))
}

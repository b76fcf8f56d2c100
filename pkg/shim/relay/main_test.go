package relay

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/pkg/shim/http1"
	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// childVariable has the test's binary be a relay to the address in it.
const childVariable = "RELAY_TEST_TARGET"

// TestMain fails where goroutines are left over.
func TestMain(m *testing.M) {
	if target := os.Getenv(childVariable); target != "" {
		child(target)
	}
	code := m.Run()
	for deadline := time.Now().Add(30 * time.Second); code == 0; time.Sleep(10 * time.Millisecond) {
		left := leftOver()
		if left == "" {
			break
		}
		if time.Now().After(deadline) {
			fmt.Fprintln(os.Stderr, "a goroutine is left over:", left)
			code = 1
		}
	}
	os.Exit(code)
}

// leftOver is the stack of a goroutine of ours, except that of TestMain.
func leftOver() string {
	stacks := make([]byte, 1<<20)
	for stack := range strings.SplitSeq(string(stacks[:runtime.Stack(stacks, true)]), "\n\n") {
		if strings.Contains(stack, "/pkg/shim/") && !strings.Contains(stack, "TestMain") {
			return stack
		}
	}
	return ""
}

// child relays to target until it is killed.
func child(target string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(l.Addr().(*net.TCPAddr).Port)
	a, err := net.ResolveTCPAddr("tcp", target)
	if err != nil {
		panic(err)
	}
	r := New(Options{Dial: dialer(a)})
	s := &http1.Server{Handler: message.HandlerFunc(func(x message.Exchange) {
		var f *message.Failure
		if errors.As(r.Do(x), &f) {
			message.Answer(x, f.Status, nil, f.JSON())
		}
	})}
	panic(s.Serve(l))
}

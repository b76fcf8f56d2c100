// A function on Function Compute's own Go SDK, as in the runtime go1. The
// program listens nowhere: the SDK asks for one event after the other.
package main

import (
	"context"
	"errors"

	"github.com/aliyun/fc-runtime-go-sdk/fc"
)

// greet is the function. Its event is a name.
func greet(_ context.Context, name string) (string, error) {
	if name == "" {
		return "", errors.New("the event names nobody")
	}
	return "hello, " + name, nil
}

func main() {
	fc.Start(greet)
}

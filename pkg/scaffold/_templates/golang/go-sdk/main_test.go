package main

import (
	"context"
	"testing"
)

func TestGreet(t *testing.T) {
	if got, err := greet(context.Background(), "Serverless"); err != nil || got != "hello, Serverless" {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := greet(context.Background(), ""); err == nil {
		t.Errorf("%q, and no error", got)
	}
}

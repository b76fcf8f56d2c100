package main

import (
	"encoding/base64"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/imgbuild/imgbuild/pkg/deploy/deploytest"
)

// platforms are those of the scripts that run.
var platforms sync.Map

// platform is `platform [LOOKS]`: Function Compute's API for this script, at
// $ENDPOINT. A function is ready after so many looks.
func platform(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 1 {
		ts.Fatalf("usage: platform [LOOKS]")
	}
	p := deploytest.New()
	p.Looks = 1
	if len(args) == 1 {
		n, err := strconv.Atoi(args[0])
		ts.Check(err)
		p.Looks = n
	}
	s := httptest.NewServer(p)
	ts.Defer(s.Close)
	ts.Setenv("ENDPOINT", s.URL)
	platforms.Store(ts.Name(), p)
}

// fails is `fails TEXT`: functions with TEXT in their image end in an error.
func fails(ts *testscript.TestScript, neg bool, args []string) {
	v, ok := platforms.Load(ts.Name())
	if neg || len(args) != 1 || !ok {
		ts.Fatalf("usage: fails TEXT, after platform")
	}
	v.(*deploytest.Platform).SetRun(func(image string, _ []byte) deploytest.Reply {
		if !strings.Contains(image, args[0]) {
			return deploytest.Reply{}
		}
		return deploytest.Reply{Body: `{"errorType":"Error","errorMessage":"broken"}`, Header: map[string]string{
			"X-Fc-Error-Type": "UnhandledInvocationError",
			"X-Fc-Log-Result": base64.StdEncoding.EncodeToString([]byte("connecting\nrefused\n")),
		}}
	})
}

// called is `called ACTION`: waits until the platform was called so.
func called(ts *testscript.TestScript, neg bool, args []string) {
	v, ok := platforms.Load(ts.Name())
	if neg || len(args) != 1 || !ok {
		ts.Fatalf("usage: called ACTION, after platform")
	}
	for end := time.Now().Add(time.Minute); !slices.Contains(v.(*deploytest.Platform).Calls(), args[0]); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			ts.Fatalf("nobody calls %s", args[0])
		}
	}
}

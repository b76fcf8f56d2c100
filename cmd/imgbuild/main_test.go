package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/container"
	"github.com/imgbuild/imgbuild/pkg/emulator"
	"github.com/imgbuild/imgbuild/pkg/lock"
)

var update = flag.Bool("update", false, "write the golden files of the scripts anew")

func TestMain(m *testing.M) {
	container.Main() // the command starts itself anew as these
	emulator.Main()
	testscript.Main(m, map[string]func(){"imgbuild": main})
}

// TestScripts runs testdata/script/*.txtar against the real command, each in a
// new folder with an empty HOME. Those that need inputs fetch them from this
// machine's mirrors.
func TestScripts(t *testing.T) {
	testtool.Whole(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Vars = append(env.Vars, machine()...)
			env.Setenv("HOME", filepath.Join(env.WorkDir, "home"))
			return os.Mkdir(env.Getenv("HOME"), 0o755)
		},
		// Under CI=true a program that is missing is a failure, no skip.
		Condition: func(cond string) (bool, error) {
			if cond == "ci" {
				return os.Getenv("CI") == "true", nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits,
			"age":   age,
			"key":   key,
			"env-file": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Setenv(args[0], ts.ReadFile(args[1]))
			},
			"spoil":    spoil,
			"platform": platform,
			"fails":    fails,
			"called":   called,
			"written":  written,
		},
	})
}

// machine is how this machine reaches its mirrors, for a process with another
// HOME: what is exported, and the files that HOME would lead to.
func machine() []string {
	var vars []string
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(strings.ToLower(v), "=")
		if strings.HasPrefix(name, "npm_config_") || strings.HasSuffix(name, "_proxy") || strings.HasPrefix(name, "ssl_cert_") ||
			name == "goproxy" || name == "gosumdb" || name == "gonosumdb" || name == "gocoverdir" {
			vars = append(vars, v)
		}
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return vars
	}
	return append(vars,
		"GOENV="+filepath.Join(home, ".config/go/env"),
		"NPM_CONFIG_USERCONFIG="+filepath.Join(home, ".npmrc"))
}

// exits is `exits CODE program args…`: exec that wants this exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE program [args...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%s: %v", args[1], err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// written is `written FILE`: waits until the file has a line.
func written(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: written FILE")
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if b, err := os.ReadFile(ts.MkAbs(args[0])); err == nil && bytes.HasSuffix(b, []byte("\n")) {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("nobody writes %s", args[0])
		}
	}
}

// age is `age LOCK PACKAGE VERSION`: the lock names an older version of a
// package, as if the mirror had moved on since. Its file was never anywhere.
func age(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: age LOCK PACKAGE VERSION")
	}
	path := ts.MkAbs(args[0])
	data, err := os.ReadFile(path)
	ts.Check(err)
	l, err := lock.Read(path, data)
	ts.Check(err)
	for i, in := range l.Inputs {
		if in.Name != args[1] {
			continue
		}
		old := in
		l.Inputs[i].Version = args[2]
		l.Inputs[i].ID = strings.Replace(in.ID, "@"+in.Version, "@"+args[2], 1)
		l.Inputs[i].Path = strings.Replace(in.Path, in.Version, args[2], 1)
		l.Inputs[i].SHA256 = strings.Repeat("0", len(in.SHA256))
		for _, img := range l.Images {
			for _, layer := range img.Layers {
				for k, id := range layer.Inputs {
					if id == old.ID {
						layer.Inputs[k] = l.Inputs[i].ID
					}
				}
			}
		}
		// Of two images alike in every layer, none may come from the store.
		for _, img := range l.Images {
			for k := range img.Layers {
				img.Layers[k].DiffID = fmt.Sprintf("sha256:%064d", k)
			}
		}
	}
	ts.Check(l.WriteFile(path))
}

// key is `key FILE`: a new private key, without a password.
func key(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: key FILE")
	}
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	der, err := x509.MarshalPKCS8PrivateKey(k)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
}

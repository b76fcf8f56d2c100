package dockerfile_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/buildkit"
	"github.com/imgbuild/imgbuild/pkg/dockerfile"
)

func TestFailures(t *testing.T) {
	on := builder(t)
	base, _ := published(t, "team/fails:1")
	for _, c := range []struct {
		name, text string
		change     func(*dockerfile.Build)
		wants      []string
	}{
		{"a word that is none", "FROM " + base + "\nRUNN true\n", nil,
			[]string{"unknown instruction: RUNN", "Dockerfile:2", "   2 | >>> RUNN true"}},
		{"too few words", "FROM " + base + "\nCOPY a\n", nil,
			[]string{"COPY requires at least two arguments", ">>> COPY a"}},
		{"nothing", "# nothing\n", nil, []string{"file with no instructions"}},
		{"no stage", "ARG A=1\n", nil, []string{"no stages to build"}},
		{"a command that fails", "FROM " + base + "\nCOPY a /\nRUN [\"/tool\", \"fail\", \"7\"]\n", nil,
			[]string{"exit code: 7", "   running 2", "   this goes wrong", "   3 | >>> RUN"}},
		{"a program that is not there", "FROM " + base + "\nRUN true\n", nil,
			[]string{"/bin/sh", ">>> RUN true"}},
		{"a file that is not there", "FROM " + base + "\nCOPY none /\n", nil,
			[]string{`"/none": not found`, "the context has no such file, or .dockerignore leaves it out", ">>> COPY none /"}},
		{"a path out of the context", "FROM " + base + "\nCOPY ../none /\n", nil,
			[]string{"a path does not lead out of the context", "--build-context", ">>> COPY ../none /"}},
		{"a link out of the context", "FROM " + base + "\nCOPY link/passwd /\n", func(b *dockerfile.Build) {
			if err := os.Symlink("/etc", filepath.Join(b.Context, "link")); err != nil {
				t.Fatal(err)
			}
		}, []string{"not found"}},
		{"a stage that is not there", "FROM " + base + " AS one\nFROM one AS two\n", func(b *dockerfile.Build) { b.Target = "three" },
			[]string{`there is no stage "three"; the stages are one, two`}},
		{"a base that is nowhere", "# hello\nFROM " + registry(t) + "/team/nothing:1\n", func(b *dockerfile.Build) { b.Local = &local{t: t, has: "other:1"} },
			[]string{"Dockerfile:2: the image " + registry(t) + "/team/nothing:1 is not to be had", "not found", "the hint for "}},
		{"a base out of reach", "FROM 127.0.0.1:1/team/x:1\n", nil, []string{"Dockerfile:1: the image 127.0.0.1:1/team/x:1", "refused"}},
		{"a name that is none", "FROM Team/X:1\n", nil, []string{"must be lowercase", ">>> FROM Team/X:1"}},
		{"a network that is not allowed", "FROM " + base + "\nCOPY a /\n", func(b *dockerfile.Build) { b.Network = "host" },
			[]string{"network.host is not allowed", "--allow-insecure-entitlement network.host"}},
		{"a secret that nobody gave", "FROM " + base + "\nRUN --mount=type=secret,id=s,required=true [\"/tool\"]\n", nil,
			[]string{"secret s: not found", ">>> RUN --mount"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBuild(t, map[string]string{"Dockerfile": c.text, "a": "a"})
			if c.change != nil {
				c.change(b)
			}
			_, err := run(t, b, on)
			if err == nil {
				t.Fatal("it was built")
			}
			wantIn(t, err.Error(), c.wants...)
			for _, words := range []string{"rpc error", "failed to solve", "checksum of ref"} {
				if strings.Contains(err.Error(), words) {
					t.Errorf("%q is in %s", words, err)
				}
			}
		})
	}
}

// sleeping is a build whose command sleeps, and says when it does by a file.
func sleeping(t *testing.T) (b *dockerfile.Build, asleep func() bool) {
	base, _ := published(t, "team/sleeps:1")
	word := fmt.Sprintf("w%d", time.Now().UnixNano())
	b = newBuild(t, map[string]string{"Dockerfile": "FROM " + base + "\nRUN [\"/tool\", \"sleep\", \"" + word + "\"]\n"})
	return b, func() bool { return processWith(t, word) }
}

// processWith says whether a process has that argument.
func processWith(t *testing.T, word string) bool {
	t.Helper()
	found, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range found {
		if b, err := os.ReadFile(p); err == nil && strings.HasPrefix(string(b), "/tool\x00") && strings.Contains(string(b), word) {
			return true
		}
	}
	return false
}

func wait(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !f(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it did not come to this: %s", what)
		}
	}
}

// A build that is stopped stops on the builder, too.
func TestCancel(t *testing.T) {
	on := builder(t)
	b, asleep := sleeping(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan error, 1)
	st := newStore(t)
	go func() {
		_, err := b.Run(ctx, st, on)
		done <- err
	}()
	wait(t, "the command runs", asleep)
	why := errors.New("stopped by the test")
	cancel(why)
	select {
	case err := <-done:
		if !errors.Is(err, why) {
			t.Errorf("%v", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("it goes on")
	}
	wait(t, "the command has ended", func() bool { return !asleep() })
}

// A builder that dies is said within seconds.
func TestBuilderDies(t *testing.T) {
	testtool.Whole(t)
	registry(t)
	bk := testtool.BuildKitd(t)
	on := dial(t, bk.Address, "")
	b, asleep := sleeping(t)
	done := make(chan error, 1)
	st := newStore(t)
	go func() {
		_, err := b.Run(t.Context(), st, on)
		done <- err
	}()
	wait(t, "the command runs", asleep)
	bk.Kill()
	defer endThose(t, "/tool\x00sleep")
	select {
	case err := <-done:
		if err == nil {
			t.Fatal("it was built")
		}
		wantIn(t, err.Error(), "the builder "+bk.Address+" is gone")
	case <-time.After(time.Minute):
		t.Fatal("it goes on")
	}
}

// endThose ends what a builder that was killed left running here.
func endThose(t *testing.T, prefix string) {
	found, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range found {
		var pid int
		if b, err := os.ReadFile(p); err == nil && strings.HasPrefix(string(b), prefix) {
			if _, err := fmt.Sscanf(p, "/proc/%d/", &pid); err == nil {
				if process, err := os.FindProcess(pid); err == nil {
					_ = process.Kill()
				}
			}
		}
	}
}

func TestUnreachable(t *testing.T) {
	a, err := buildkit.ParseAddress("unix://"+filepath.Join(t.TempDir(), "none.sock"), "")
	if err != nil {
		t.Fatal(err)
	}
	_, err = buildkit.Dial(t.Context(), a)
	if unreachable, ok := errors.AsType[*buildkit.UnreachableError](err); !ok || !strings.Contains(unreachable.Error(), "three ways") {
		t.Errorf("%v", err)
	}
}

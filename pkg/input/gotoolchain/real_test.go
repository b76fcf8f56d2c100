package gotoolchain

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/input/inputtest"
	"github.com/imgbuild/imgbuild/pkg/layer"
)

// lean is what an image can leave out of the toolchain without anyone missing
// it: 54 MB of gzip remain of 70.
var lean = []string{
	// The distribution's own tests and their data (11.3 MB).
	"src/**/*_test.go",
	"src/**/testdata/**",
	// The compiler's source (2.5 MB): it is in pkg/tool as a program, and the
	// tools that `go tool` builds when they are asked for share none of it.
	// Its doc.go stays, for `go doc cmd/compile`.
	"src/cmd/compile/internal/**",
	// The race detector's objects for systems that cgo cannot link for here.
	"src/runtime/race/**/race_{darwin,freebsd,netbsd,openbsd,windows}*.syso",
	"src/runtime/race/race_linux_{loong64,ppc64le,riscv64,s390x}.syso",
}

const (
	mainGo = `package main

import "fmt"

// Greet greets.
func Greet(name string) string { return "hello " + name }

func main() { fmt.Println(Greet("gopher")) }
`
	mainTestGo = `package main

import "testing"

func TestGreet(t *testing.T) {
	done := make(chan string)
	go func() { done <- Greet("test") }()
	if got := <-done; got != "hello test" {
		t.Error(got)
	}
}

func BenchmarkGreet(b *testing.B) {
	for b.Loop() {
		Greet("bench")
	}
}
`
)

// The newest toolchain, as lean as images have it, does all that people do
// with Go, from the files of the layer.
func TestRealToolchain(t *testing.T) {
	testtool.Whole(t)
	st := inputtest.SharedStore(t)
	version := newest(t, inputtest.Mirror(t, st))
	in, err := Lock(t.Context(), st, "", version, "linux/amd64")
	if err != nil {
		t.Fatal(err)
	}
	l, err := layer.Build(inputtest.Store(t), layer.Gzip, func(s layer.Sink) error {
		return Write(t.Context(), s, st, in, lean)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the layer has %.1f MB", float64(l.Record().Size)/1e6)
	if limit := int64(58e6); l.Record().Size > limit {
		t.Errorf("the layer has %d bytes, the budget is %d", l.Record().Size, limit)
	}

	root := t.TempDir()
	if err := Write(t.Context(), inputtest.NewDir(t, root), st, in, lean); err != nil {
		t.Fatal(err)
	}
	goroot := filepath.Join(root, goroot)
	work := t.TempDir()
	for name, content := range map[string]string{"go.mod": "module example.com/hello\n\ngo 1.26\n", "main.go": mainGo, "main_test.go": mainTestGo} {
		if err := os.WriteFile(filepath.Join(work, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// The standard library's objects do not depend on where GOROOT is, so test
	// runs can share them.
	env := []string{"PATH=" + goroot + "/bin:/usr/bin:/bin", "HOME=" + work, "GOCACHE=" + filepath.Join(st.Root(), "gocache"),
		"GOTOOLCHAIN=local", "GOPROXY=off", "GOFLAGS=-mod=mod -p=2", "GOTELEMETRY=off"}
	for _, tc := range []struct{ command, want string }{
		{"go version", "go" + version},
		{"go env GOROOT", goroot},
		{"gofmt -l main.go", ""},
		{"go build -o hello .", ""},
		{"./hello", "hello gopher"},
		{"go vet ./...", ""},
		{"go fix ./...", ""},
		{"go test -cover ./...", "coverage: 50.0%"},
		{"go test -bench . -cpuprofile cpu.prof -trace trace.out", "BenchmarkGreet"},
		{"go build -cover -o covered .", ""},
		{"mkdir cov", ""},
		{"env GOCOVERDIR=cov ./covered", "hello gopher"},
		{"go tool covdata percent -i=cov", "coverage: 100.0%"},
		{"go tool nm hello", "main.main"},
		{"go tool objdump -s main.main hello", "TEXT main.main"},
		{"go tool addr2line --help", ""},
		{"go tool pprof -top cpu.prof", "flat%"},
		{"go tool trace -d=parsed trace.out", "StateTransition"},
		{"go tool buildid hello", "/"},
		{"go tool pack", ""},
		{"go tool dist list", "linux/amd64"},
		{"go tool test2json -p x true", "Action"},
		{"go doc fmt.Println", "func Println"},
		{"go doc cmd/compile", "Usage"},
		{"env GOARCH=arm64 CGO_ENABLED=0 go build -o arm64 .", ""},
		{"go list std", "archive/tar"},
		{"go build -pgo=cpu.prof -o pgo .", ""},
		{"go test -race ./...", "ok"},
		{"go build -buildmode=c-shared -o x.so .", ""},
	} {
		name, args, _ := strings.Cut(tc.command, " ")
		if _, err := os.Stat(filepath.Join(goroot, "bin", name)); err == nil {
			name = filepath.Join(goroot, "bin", name)
		}
		cmd := exec.CommandContext(t.Context(), name, strings.Fields(args)...)
		cmd.Dir, cmd.Env = work, env
		out, err := cmd.CombinedOutput()
		// What only prints its usage ends with 1 or 2.
		usage := strings.Contains(string(out), "sage")
		if err != nil && !usage || !strings.Contains(string(out), tc.want) {
			t.Errorf("%s: %v, want %q in\n%.2000s", tc.command, err, tc.want, out)
		}
	}
}

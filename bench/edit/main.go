// Command edit measures how long it takes from saving a file of a function that
// imgbuild start serves until the new function answers.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/imgbuild/imgbuild/bench/internal/measure"
	"github.com/imgbuild/imgbuild/bench/internal/workshop"
)

func main() {
	runs := flag.Int("n", 5, "how often each file is saved")
	workshop.Main(func(ctx context.Context, w *workshop.Workshop) error { return bench(ctx, w, *runs) })
}

// edited is a function, its file, and the text in it that is answered, which is
// followed by a number in each edit.
type edited struct{ example, file, text, limit string }

func bench(ctx context.Context, w *workshop.Workshop, runs int) error {
	measure.Title(os.Stdout, "imgbuild start: from a saved file to the answer of the new function")
	t := measure.Table{Head: []string{"median of " + measure.Times(runs), "time", "target"}}
	for _, e := range []edited{
		{"node-handler", "index.js", "hello", "1 s"},
		{"typescript-handler", "src/index.ts", "${method}", "1 s"},
		{"golang", "main.go", "hello", "3 s"},
	} {
		median, err := e.measure(ctx, w, runs)
		if err != nil {
			return fmt.Errorf("%s: %w", e.example, err)
		}
		t.Add(e.example, measure.Time(median), e.limit)
	}
	t.Print(os.Stdout)
	return nil
}

func (e edited) measure(ctx context.Context, w *workshop.Workshop, runs int) (_ time.Duration, err error) {
	dir := filepath.Join(w.Dir, e.example, "hello")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(w.Root, "examples", e.example))); err != nil {
		return 0, err
	}
	url, stop, err := serve(ctx, w, dir)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	file := filepath.Join(dir, filepath.FromSlash(e.file))
	source, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	if err := answered(ctx, url, ""); err != nil {
		return 0, err
	}
	var samples []measure.Sample
	for n := range runs {
		mark := fmt.Sprintf("edit%d-", n)
		text := strings.ReplaceAll(string(source), e.text, e.text+mark)
		begun := time.Now()
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			return 0, err
		}
		if err := answered(ctx, url, mark); err != nil {
			return 0, err
		}
		samples = append(samples, measure.Sample{Wall: time.Since(begun)})
		time.Sleep(2 * time.Second) // what goes on in the background has ended
	}
	return measure.Median(samples), nil
}

// serve starts imgbuild start.
func serve(ctx context.Context, w *workshop.Workshop, dir string) (url string, stop func() error, err error) {
	cmd := exec.CommandContext(ctx, w.Imgbuild, "start", dir, "--no-dockerfile", "--port", "0")
	cmd.Env = append(os.Environ(), "IMGBUILD_STORE="+w.Store)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return "", nil, errors.Join(err, cmd.Wait())
	}
	return strings.TrimSpace(line) + "http/hello/", func() error {
		if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
			return err
		}
		return cmd.Wait()
	}, nil
}

// answered asks until the answer is well and has the text.
func answered(ctx context.Context, url, text string) error {
	last := ""
	for until := time.Now().Add(2 * time.Minute); time.Now().Before(until) && ctx.Err() == nil; time.Sleep(5 * time.Millisecond) {
		res, err := http.Get(url)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(res.Body)
		if err = errors.Join(err, res.Body.Close()); err != nil {
			return err
		}
		if last = res.Status + " " + string(body); res.StatusCode == http.StatusOK && strings.Contains(string(body), text) {
			return nil
		}
	}
	return errors.Join(context.Cause(ctx), fmt.Errorf("it does not answer %q but %s", text, last))
}

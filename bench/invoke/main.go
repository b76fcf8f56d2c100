// Command invoke compares imgbuild invoke with docker run and curl, as whole
// processes on the same image, and measures what the emulator adds to a call of
// an instance that runs.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/imgbuild/imgbuild/bench/internal/measure"
	"github.com/imgbuild/imgbuild/bench/internal/workshop"
	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/container"
	"github.com/imgbuild/imgbuild/pkg/emulator"
	"github.com/imgbuild/imgbuild/pkg/source"
	"github.com/imgbuild/imgbuild/pkg/store"
	"github.com/imgbuild/imgbuild/pkg/template"
)

func main() {
	container.Main()
	runs := flag.Int("n", 15, "how often each is run")
	workshop.Main(func(ctx context.Context, w *workshop.Workshop) error { return bench(ctx, w, *runs) })
}

func bench(ctx context.Context, w *workshop.Workshop, runs int) error {
	measure.Title(os.Stdout, "Invoke")
	if err := cold(ctx, w, runs); err != nil {
		return err
	}
	return warm(ctx, w)
}

// image builds an example and returns its tar.
func image(ctx context.Context, w *workshop.Workshop, example string) (string, error) {
	path := filepath.Join(w.Dir, example+".tar")
	_, err := w.Run(ctx, "build", filepath.Join(w.Root, "examples", example), "--no-dockerfile", "-t", example+":bench", "-o", "type=oci,dest="+path,
		"-o", "type=docker,dest="+path+".docker")
	return path, err
}

// cold compares whole processes, from the command to the answer and the end of
// the function.
func cold(ctx context.Context, w *workshop.Workshop, runs int) (err error) {
	dir, err := os.MkdirTemp("/tmp", "invoke-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	d, err := testtool.StartDocker(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	t := measure.Table{Head: []string{"cold, median of " + measure.Times(runs), "imgbuild invoke, native", "imgbuild invoke, runc", "imgbuild invoke, docker", "docker run, curl, docker rm", "native", "runc", "docker"}}
	for _, example := range []string{"golang", "node-handler"} {
		path, err := image(ctx, w, example)
		if err != nil {
			return err
		}
		if out, err := d.Command(ctx, "load", "-i", path+".docker").CombinedOutput(); err != nil {
			return fmt.Errorf("docker load: %w: %s", err, out)
		}
		var native, runc, docker, peer []measure.Sample
		for n := range runs + 1 { // the first of each unpacks
			for _, c := range []struct {
				to  *[]measure.Sample
				run func() (measure.Sample, error)
			}{
				{&native, func() (measure.Sample, error) {
					return w.Run(ctx, "invoke", path, "-e", "x", "--runtime", "native")
				}},
				{&runc, func() (measure.Sample, error) {
					return w.Run(ctx, "invoke", path, "-e", "x", "--runtime", "runc")
				}},
				{&docker, func() (measure.Sample, error) {
					return measure.Run(ctx, []string{"DOCKER_HOST=unix://" + d.Socket, "IMGBUILD_STORE=" + w.Store},
						w.Imgbuild, "invoke", example+":bench", "-e", "x", "--runtime", "docker", "--network", "host")
				}},
				{&peer, func() (measure.Sample, error) { return dockerCurl(ctx, d, example+":bench") }},
			} {
				s, err := c.run()
				if err != nil {
					return err
				}
				if n > 0 {
					*c.to = append(*c.to, s)
				}
			}
		}
		theirs := measure.Median(peer)
		row := []string{example}
		for _, own := range [][]measure.Sample{native, runc, docker} {
			row = append(row, measure.Time(measure.Median(own)))
		}
		row = append(row, measure.Time(theirs))
		for _, own := range [][]measure.Sample{native, runc, docker} {
			row = append(row, measure.Ratio(measure.Median(own), theirs))
		}
		t.Add(row...)
	}
	t.Print(os.Stdout)
	fmt.Printf("Target: not slower, native and runc at least 2.0×.\n\n")
	return nil
}

// dockerCurl is what people do without imgbuild. The daemon has no bridge, so
// that the container has this machine's network; that makes it faster.
func dockerCurl(ctx context.Context, d *testtool.Docker, image string) (measure.Sample, error) {
	port, err := freePort()
	if err != nil {
		return measure.Sample{}, err
	}
	const script = `id=$(docker run --detach --network host --env SHIM_LISTEN=:$1 "$2") &&
until curl --silent --data x --header 'x-fc-control-path: /invoke' http://127.0.0.1:$1/invoke; do sleep 0.01; done
docker rm --force "$id"`
	return measure.Run(ctx, []string{"DOCKER_HOST=unix://" + d.Socket}, "sh", "-c", script, "sh", strconv.Itoa(port), image)
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// warm compares calls through the emulator with the same calls made directly.
func warm(ctx context.Context, w *workshop.Workshop) (err error) {
	path, err := image(ctx, w, "golang")
	if err != nil {
		return err
	}
	s, err := store.Open(w.Store)
	if err != nil {
		return err
	}
	src, err := source.Open(ctx, s, source.Name{Path: path}, "linux/amd64")
	if err != nil {
		return err
	}
	defer src.Close()
	rootfs, err := container.Unpack(ctx, s, src.Image)
	if err != nil {
		return err
	}
	defer rootfs.Close()
	rt := &spy{Native: emulator.Native{Rootfs: rootfs}}
	e, err := emulator.New(template.Function{Name: "bench", Port: 8080}, rt, emulator.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	if _, err := e.Invoke(ctx, []byte("x")); err != nil {
		return err
	}
	direct := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return rt.running.Dial(ctx) }}
	defer direct.CloseIdleConnections()
	const calls = 2000
	var ours, theirs []time.Duration
	for range calls {
		begin := time.Now()
		r, err := e.Invoke(ctx, []byte("x"))
		ours = append(ours, time.Since(begin))
		if err != nil || r.Failed() {
			return fmt.Errorf("a call failed: %s %w", r.Body, err)
		}
		begin = time.Now()
		if err := call(ctx, direct); err != nil {
			return err
		}
		theirs = append(theirs, time.Since(begin))
	}
	slices.Sort(ours)
	slices.Sort(theirs)
	a, b := ours[calls/2], theirs[calls/2]
	t := measure.Table{Head: []string{fmt.Sprintf("warm, median of %d calls", calls), "through the emulator", "directly", "added"}}
	t.Add("golang", micro(a), micro(b), micro(a-b))
	t.Print(os.Stdout)
	fmt.Printf("With the log cut. Target: under 1000 µs added.\n\n")
	return nil
}

func call(ctx context.Context, t *http.Transport) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://function/invoke", strings.NewReader("x"))
	if err != nil {
		return err
	}
	req.Header.Set("x-fc-control-path", "/invoke")
	res, err := t.RoundTrip(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return err
}

func micro(d time.Duration) string { return fmt.Sprintf("%d µs", d.Microseconds()) }

// spy keeps the instance, to call it directly.
type spy struct {
	emulator.Native
	running emulator.Running
}

func (s *spy) Start(ctx context.Context, spec emulator.Spec) (emulator.Running, error) {
	r, err := s.Native.Start(ctx, spec)
	s.running = r
	return r, err
}

package output

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/imgbuild/imgbuild/pkg/dockerd"
	"github.com/imgbuild/imgbuild/pkg/progress"
)

// Load puts the images into the local engine: Docker's daemon, through its socket
// or else by the docker client, else podman. It returns the engine's name.
func Load(ctx context.Context, images []Image) (engine string, err error) {
	for _, i := range images {
		if err := i.check(); err != nil {
			return "", fmt.Errorf("loading: %w", err)
		}
	}
	var missing []string
	for _, e := range engines() {
		if err := e.ready(ctx); err != nil {
			if ctx.Err() != nil {
				return "", context.Cause(ctx)
			}
			missing = append(missing, fmt.Sprintf("%s: %v", e.name, err))
			continue
		}
		step := progress.Start(ctx, "load into "+e.name, 0)
		err := hand(ctx, e, images)
		step.Done(err)
		if err != nil {
			return "", fmt.Errorf("loading into %s: %w", e.name, err)
		}
		return e.name, nil
	}
	return "", fmt.Errorf("no container engine to load into (%s); start Docker or install podman, or write a file with --output type=docker,dest=image.tar", strings.Join(missing, "; "))
}

type engine struct {
	name  string
	ready func(ctx context.Context) error
	load  func(ctx context.Context, archive io.Reader) error
}

func engines() []engine {
	var out []engine
	if socket, ok := dockerd.Find(os.Getenv); ok {
		out = append(out, socketEngine(socket))
	}
	return append(out, clientEngine("docker", "version"), clientEngine("podman", "info"))
}

// hand writes the archive while the engine reads it.
func hand(ctx context.Context, e engine, images []Image) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r, w := io.Pipe()
	written := make(chan error, 1)
	go func() {
		err := write(ctx, Spec{Type: Docker, Dest: "-"}, w, images)
		w.CloseWithError(err)
		written <- err
	}()
	err := e.load(ctx, r)
	r.CloseWithError(errStopped)
	werr := <-written
	if werr != nil && !errors.Is(werr, errStopped) {
		return werr // the engine failed for want of this
	}
	return err
}

var errStopped = errors.New("the engine stopped reading")

// socketEngine is Docker's daemon, by its API: no client program is needed.
func socketEngine(socket dockerd.Socket) engine {
	api := socket.API()
	return engine{
		name: "docker (" + string(socket) + ")",
		ready: func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
			defer cancel()
			return api.Ping(ctx)
		},
		load: func(ctx context.Context, archive io.Reader) error {
			res, err := api.Do(ctx, http.MethodPost, "/images/load", url.Values{"quiet": {"1"}}, archive)
			if err != nil {
				return err
			}
			defer res.Body.Close()
			return loadAnswer(res.Body)
		},
	}
}

// loadAnswer reads the daemon's messages; a failure comes as one of them, after
// the status 200.
func loadAnswer(r io.Reader) error {
	d := json.NewDecoder(bufio.NewReader(io.LimitReader(r, 1<<20)))
	for {
		var m struct {
			Error string `json:"error"`
		}
		switch err := d.Decode(&m); {
		case err == io.EOF:
			return nil
		case err != nil:
			return fmt.Errorf("reading its answer: %w", err)
		case m.Error != "":
			return errors.New(m.Error)
		}
	}
}

// clientEngine is a client program with a `load` that reads standard input.
// probe is a command of it that fails where no engine runs.
func clientEngine(name, probe string) engine {
	return engine{
		name: name,
		ready: func(ctx context.Context) error {
			if _, err := exec.LookPath(name); err != nil {
				return errors.New("not installed")
			}
			ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
			defer cancel()
			return run(ctx, nil, name, probe)
		},
		load: func(ctx context.Context, archive io.Reader) error {
			return run(ctx, archive, name, "load", "--quiet")
		},
	}
}

func run(ctx context.Context, stdin io.Reader, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	cmd.Stdin = stdin
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		if said := lastLine(stderr.String()); said != "" {
			return errors.New(said)
		}
		return err
	}
	return nil
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	s = s[strings.LastIndex(s, "\n")+1:]
	return s[:min(len(s), 500)]
}

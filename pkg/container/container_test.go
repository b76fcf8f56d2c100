package container_test

import (
	"archive/tar"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/container"
	"github.com/imgbuild/imgbuild/pkg/shim/conformance"
)

// needContainers is for machines that have no rights to give.
func needContainers(t testing.TB) {
	t.Helper()
	if err := container.Available(t.Context()); err != nil {
		testtool.Lacking(t, err.Error())
	}
}

// launch is container.Start, with an OCI runtime where TestOCIRuntimes says so.
func launch(ctx context.Context, s container.Spec) (*container.Container, error) {
	s.Runtime = os.Getenv("CONTAINER_TEST_RUNTIME")
	return container.Start(ctx, s)
}

// start starts a container that ends with the test, and its output.
func start(t testing.TB, s container.Spec) (c *container.Container, out, err *conformance.Output) {
	t.Helper()
	needContainers(t)
	out, err = &conformance.Output{}, &conformance.Output{}
	s.Stdout, s.Stderr = out, err
	c, e := launch(t.Context(), s)
	if e != nil {
		t.Fatal(e)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c, out, err
}

// run starts a container and returns what it said and its exit code.
func run(t testing.TB, s container.Spec) (string, int) {
	t.Helper()
	c, out, errs := start(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	code, err := c.Wait(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return out.String() + errs.String(), code
}

func TestWhatRuns(t *testing.T) {
	s := openStore(t)
	r := unpack(t, s, programImage(t, v1.Config{
		Cmd: []string{"args", "of the image"}, Env: []string{"A=1", "B=2", "PATH=/bin:/"}, WorkingDir: "/code",
	}, entry{name: "etc/passwd", content: "root:x:0:0:root:/root:/bin/sh\n"}))
	for name, test := range map[string]struct {
		spec container.Spec
		want string
		code int
	}{
		"the image's command":    {container.Spec{}, "\"of the image\"\n", 0},
		"arguments in its place": {container.Spec{Args: []string{"args", "a  b", ""}}, "\"a  b\"\n\"\"\n", 0},
		"another entrypoint":     {container.Spec{Entrypoint: []string{"program", "args", "x"}}, "\"x\"\n", 0}, // found on PATH; Cmd falls away
		"the environment":        {container.Spec{Args: []string{"env", "A", "B", "C", "HOME", "PATH"}, Env: []string{"B=3", "C=4=5"}}, "A=1\nB=3\nC=4=5\nHOME=/root\nPATH=/bin:/\n", 0},
		"root, in the folder":    {container.Spec{Args: []string{"identity"}}, "0 0 /code\n", 0},
		"another folder":         {container.Spec{Args: []string{"identity"}, Dir: "/new/folder"}, "0 0 /new/folder\n", 0},
		"an exit code":           {container.Spec{Args: []string{"lines", "say err bad", "exit 7"}}, "bad\n", 7},
		"a signal":               {container.Spec{Args: []string{"lines", "run lines", "\tkill 9", "exit 3"}}, "", 3},
		"its input":              {container.Spec{Args: []string{"lines", "cat"}, Stdin: strings.NewReader("from here\n")}, "from here\n", 0},
		"no input":               {container.Spec{Args: []string{"lines", "cat", "say out end"}}, "end\n", 0},
		"much output":            {container.Spec{Args: []string{"lines", "zeros 300000"}}, strings.Repeat("\x00", 300000), 0},
	} {
		t.Run(name, func(t *testing.T) {
			test.spec.Rootfs = r
			if got, code := run(t, test.spec); got != test.want || code != test.code {
				t.Errorf("%.200q and exit code %d, want %.200q and %d", got, code, test.want, test.code)
			}
		})
	}
}

// TestOneOutput: where both outputs go to one writer their order stays.
func TestOneOutput(t *testing.T) {
	needContainers(t)
	r := unpack(t, openStore(t), programImage(t, v1.Config{}))
	var args []string
	want := ""
	for n := range 50 {
		args = append(args, fmt.Sprint("say out ", n), fmt.Sprint("say err ", n))
		want += fmt.Sprintf("%d\n%[1]d\n", n)
	}
	out := &conformance.Output{}
	c, err := launch(t.Context(), container.Spec{Rootfs: r, Args: append([]string{"lines"}, args...), Stdout: out, Stderr: out})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); got != want {
		t.Errorf("%q", got)
	}
}

// TestPipesInPlaceOfFiles: an image cannot hold its start up for good.
func TestPipesInPlaceOfFiles(t *testing.T) {
	r := unpack(t, openStore(t), programImage(t, v1.Config{}, entry{name: "etc/passwd", kind: tar.TypeFifo}, entry{name: "etc/group", kind: tar.TypeFifo}))
	if got, code := run(t, container.Spec{Rootfs: r, Args: []string{"identity"}}); got != "0 0 /\n" || code != 0 {
		t.Errorf("%q and exit code %d", got, code)
	}
}

// TestStartGivenUp: at whatever moment, it is a container or nothing.
func TestStartGivenUp(t *testing.T) {
	s := openStore(t)
	r := unpack(t, s, programImage(t, v1.Config{}))
	for n := range 12 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(n*n)*time.Millisecond/2)
		c, err := launch(ctx, container.Spec{Rootfs: r, Args: []string{"lines", "sleep 1h"}})
		cancel()
		switch {
		case err == nil:
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		case !errors.Is(err, context.DeadlineExceeded):
			t.Errorf("after %d ms: %v", n*n/2, err)
		}
	}
	expectEmpty(t, filepath.Join(s.Root(), "tmp"))
}

func TestUsers(t *testing.T) {
	testtool.NeedRoot(t)
	r := unpack(t, openStore(t), programImage(t, v1.Config{User: "app"},
		entry{name: "etc/passwd", content: "app:x:12:34::/home/app:\n"}, entry{name: "etc/group", content: "web:x:56:app\n"}))
	for user, want := range map[string]string{"": "12 34 /\n", "app:web": "12 56 /\n", "1000": "1000 0 /\n", "0": "0 0 /\n"} {
		if got, code := run(t, container.Spec{Rootfs: r, User: user, Args: []string{"identity"}}); got != want || code != 0 {
			t.Errorf("user %q is %q (exit code %d), want %q", user, got, code, want)
		}
	}
}

// TestSeparate: what a container sees and may do.
func TestSeparate(t *testing.T) {
	s := openStore(t)
	r := unpack(t, s, programImage(t, v1.Config{Env: []string{"PATH=/"}}, entry{name: "d/", mode: 0o700}, entry{name: "d/f", content: "the image's"}, entry{name: "etc/hosts", to: "/d/f"}))
	before := listing(t, r.Path())
	shared := t.TempDir()
	if err := os.WriteFile(filepath.Join(shared, "file"), []byte("the host's"), 0o644); err != nil {
		t.Fatal(err)
	}
	c, out, errs := start(t, container.Spec{Rootfs: r, Hostname: "inside", Args: []string{"look"}, Mounts: []container.Mount{
		{Source: shared, Target: "/shared"}, {Source: shared, Target: "/read/only", ReadOnly: true}, {Source: filepath.Join(shared, "file"), Target: "/one/file"},
	}})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if code, err := c.Wait(ctx); err != nil || code != 0 {
		t.Fatalf("exit code %d, %v: %s%s", code, err, out, errs)
	}
	want := strings.TrimPrefix(`
pid 1
processes 1
host inside
interfaces lo
no_new_privs 1
capabilities 00000000a00425fb
dev fd full null ptmx pts random shm stderr stdin stdout tty urandom zero
root d dev etc one proc program read shared tmp
write /d/f <nil>
write /new <nil>
write /tmp/x <nil>
write /dev/null <nil>
write /dev/shm/x <nil>
write /shared/new <nil>
write /read/only/new read-only file system
write /one/file <nil>
read /d/f written
read /shared/file written
read /etc/hosts localhost
mount operation not permitted
mknod operation not permitted
`, "\n")
	if strings.HasSuffix(os.Getenv("CONTAINER_TEST_RUNTIME"), "crun") {
		want = strings.Replace(want, "dev fd", "dev core fd", 1)
	}
	if got := out.String(); got != want {
		t.Errorf("the container sees\n%s\nwant\n%s", got, want)
	}
	if after := listing(t, r.Path()); !slices.Equal(before, after) {
		t.Errorf("the unpacked image was written to: %v, before %v", after, before)
	}
	if b, err := os.ReadFile(filepath.Join(shared, "new")); string(b) != "written" || err != nil {
		t.Errorf("what the container wrote to its mount is %q, %v", b, err)
	}
}

// TestLinkedFolder: an image's /etc may be elsewhere in it.
func TestLinkedFolder(t *testing.T) {
	r := unpack(t, openStore(t), programImage(t, v1.Config{}, entry{name: "conf/"}, entry{name: "etc", to: "/conf"}))
	if got, code := run(t, container.Spec{Rootfs: r, Args: []string{"look"}}); !strings.Contains(got, "read /etc/hosts localhost\n") || code != 0 {
		t.Errorf("exit code %d: %s", code, got)
	}
}

func TestNetworks(t *testing.T) {
	r := unpack(t, openStore(t), programImage(t, v1.Config{}))
	var all []*container.Container
	for n := range 3 { // all of them on one port
		c, _, _ := start(t, container.Spec{Rootfs: r, Args: []string{"http"}, Env: []string{"PORT=8080", fmt.Sprint("N=", n)}})
		all = append(all, c)
	}
	for _, c := range all {
		var conn net.Conn
		var err error
		eventually(t, "it listens", func() bool {
			if conn, err = c.Dial(t.Context(), 8080); err != nil && !errors.Is(err, syscall.ECONNREFUSED) {
				t.Fatal(err)
			}
			return err == nil
		})
		defer conn.Close()
		if _, ok := conn.(*net.TCPConn); !ok {
			t.Errorf("the connection is a %T", conn)
		}
		if _, err := fmt.Fprint(conn, "GET /x HTTP/1.0\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 12)
		if _, err := conn.Read(b); err != nil || string(b) != "HTTP/1.0 200" {
			t.Errorf("%q, %v", b, err)
		}
		if _, err := c.Dial(t.Context(), 81); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("a port on which nobody listens: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := c.Dial(ctx, 8080); !errors.Is(err, context.Canceled) {
			t.Errorf("a call that was given up: %v", err)
		}
	}
}

// TestEnd: signals reach the first process, and with it all end.
func TestEnd(t *testing.T) {
	r := unpack(t, openStore(t), programImage(t, v1.Config{}))
	c, out, _ := start(t, container.Spec{Rootfs: r, Args: []string{"signals", "family"}})
	eventually(t, "both run", func() bool { return out.Has("family waits") && out.Has("child waits") })
	pids, err := c.Processes()
	if err != nil || len(pids) != 2 {
		t.Fatalf("the container has %v, %v", pids, err)
	}
	if err := c.Signal(syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the signal came", func() bool { return out.Has("family 10\n") })
	short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := c.Wait(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("it runs, and Wait says %v", err)
	}
	if err := c.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code, err := c.Wait(t.Context()); code != 5 || err != nil {
		t.Errorf("exit code %d, %v", code, err)
	}
	for _, pid := range pids {
		eventually(t, "it is gone", func() bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) })
	}
	if _, err := c.Processes(); err == nil {
		t.Error("it has processes after its end")
	}
	if err := c.Signal(syscall.SIGTERM); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("a signal after the end: %v", err)
	}
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("this did not come: %s", what)
}

func TestWhatCannotStart(t *testing.T) {
	needContainers(t)
	s := openStore(t)
	r := unpack(t, s, programImage(t, v1.Config{}, entry{name: "data", content: "x", mode: 0o644}))
	// What an OCI runtime says is in its own words.
	runtime := os.Getenv("CONTAINER_TEST_RUNTIME") != ""
	for name, test := range map[string]struct {
		spec    container.Spec
		says    string
		runtime string // its own words, where they are other
	}{
		"no such entrypoint":    {container.Spec{Entrypoint: []string{"/no/such"}}, "starting /no/such of the image: no such file", "starting /no/such of the image: .*[nN]o such file"},
		"not on the path":       {container.Spec{Entrypoint: []string{"no-such"}}, "starting the image's no-such: no such program on its PATH", "starting no-such of the image: .* not found in \\$PATH"},
		"not executable":        {container.Spec{Entrypoint: []string{"/data"}}, "starting /data of the image: permission denied", "starting /data of the image: .*[pP]ermission denied"},
		"no such user":          {container.Spec{User: "nobody"}, "is not in its /etc/passwd", ""},
		"nothing to mount":      {container.Spec{Mounts: []container.Mount{{Source: "/no/such", Target: "/x"}}}, "mounting /no/such: no such file", "/no/such.*: [nN]o such file"},
		"a relative mount":      {container.Spec{Mounts: []container.Mount{{Source: "x", Target: "/x"}}}, "must be absolute", ""},
		"a folder that is none": {container.Spec{Dir: "/data"}, "making the working directory: .*not a directory", "/data.*: [nN]ot a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			if runtime {
				test.says = cmp.Or(test.runtime, test.says)
			}
			test.spec.Rootfs = r
			c, err := launch(t.Context(), test.spec)
			if err == nil {
				c.Close()
			}
			if err == nil || !regexp.MustCompile("^starting a container: .*"+test.says).MatchString(err.Error()) {
				t.Errorf("%v, want %q", err, test.says)
			}
		})
	}
	empty := unpack(t, s, imageOf(t, v1.Config{}, layerOf(t, entry{name: "a"})))
	if _, err := launch(t.Context(), container.Spec{Rootfs: empty}); err == nil || !strings.Contains(err.Error(), "say what to run") {
		t.Errorf("an image that says nothing: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := launch(ctx, container.Spec{Rootfs: r}); !errors.Is(err, context.Canceled) {
		t.Errorf("a start that was given up: %v", err)
	}
	expectEmpty(t, filepath.Join(s.Root(), "tmp"))
}

// TestCopied: where there is no overlayfs a container gets a copy.
func TestCopied(t *testing.T) {
	container.WithoutOverlay(true)
	defer container.WithoutOverlay(false)
	s := openStore(t)
	r := unpack(t, s, programImage(t, v1.Config{}, entry{name: "d/", mode: 0o555}, entry{name: "d/f", content: "kept", mode: 0o751}, entry{name: "d/l", to: "f"}, entry{name: "p", kind: tar.TypeFifo}))
	if err := os.Link(filepath.Join(r.Path(), "d/f"), filepath.Join(r.Path(), "again")); err != nil {
		t.Fatal(err)
	}
	before := listing(t, r.Path())
	c, out, errs := start(t, container.Spec{Rootfs: r, Args: []string{"look"}})
	code, err := c.Wait(t.Context())
	if err != nil || code != 0 || !out.Has("read /d/f written\n") || !out.Has("write /new <nil>\n") {
		t.Errorf("exit code %d, %v: %s%s", code, err, out, errs)
	}
	copies, _ := filepath.Glob(filepath.Join(s.Root(), "tmp", "container-*"))
	if len(copies) != 1 {
		t.Fatalf("the copies are %v", copies)
	}
	copied := listing(t, copies[0])
	for _, want := range []string{"-rwxr-x--x d/f = written", "-rwxr-x--x again = written", "Lrwxrwxrwx d/l -> f", "prwxr-xr-x p"} {
		if !slices.Contains(copied, want) {
			t.Errorf("the copy lacks %s: %v", want, copied)
		}
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if after := listing(t, r.Path()); !slices.Equal(before, after) {
		t.Errorf("the unpacked image was written to: %v, before %v", after, before)
	}
	expectEmpty(t, filepath.Join(s.Root(), "tmp"))
}

// TestNothingStays: neither mounts, nor processes, nor files.
func TestNothingStays(t *testing.T) {
	needContainers(t)
	s := openStore(t)
	// Other tests' daemons mount, too. Ours name the store, or imgbuild.
	mounts := func() (ours []string) {
		b, err := os.ReadFile("/proc/self/mountinfo")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			if strings.Contains(line, s.Root()) || strings.Contains(line, " imgbuild ") {
				ours = append(ours, line)
			}
		}
		return ours
	}
	before := mounts()
	r := unpack(t, s, programImage(t, v1.Config{}))
	var pids []int
	for range 5 {
		c, err := launch(t.Context(), container.Spec{Rootfs: r, Args: []string{"signals", "family"}})
		if err != nil {
			t.Fatal(err)
		}
		var all []int
		eventually(t, "both run", func() bool { all, err = c.Processes(); return err != nil || len(all) == 2 })
		pids = append(pids, all...)
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("process %d is there after Close: %v", pid, err)
		}
	}
	if after := mounts(); !slices.Equal(after, before) {
		t.Errorf("the mounts are %s, before %s", after, before)
	}
	if err := r.Remove(t.Context()); err != nil {
		t.Error(err)
	}
	for _, dir := range []string{"tmp", "rootfs", "locks"} {
		expectEmpty(t, filepath.Join(s.Root(), dir))
	}
}

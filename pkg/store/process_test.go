package store

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// children are what the test binary does as another process, in the store
// that STORE_TEST_DIR names.
var children = map[string]func(dir string) error{
	"write": writeMany,
	"full":  fillDisk,
}

func TestMain(m *testing.M) {
	if child, ok := children[os.Getenv("STORE_TEST_CHILD")]; ok {
		if err := child(os.Getenv("STORE_TEST_DIR")); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func command(t *testing.T, child, dir string) (*exec.Cmd, *bytes.Buffer) {
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "STORE_TEST_CHILD="+child, "STORE_TEST_DIR="+dir)
	out := new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr = out, out
	return cmd, out
}

// writeMany writes the same hundred blobs, records and partial blobs as every
// other process that does so, and reads each back.
func writeMany(dir string) error {
	s, err := Open(dir)
	if err != nil {
		return err
	}
	for i := range 100 {
		content := bytes.Repeat([]byte{byte(i)}, 50000)
		w, err := s.Create()
		if err != nil {
			return err
		}
		w.Write(content)
		h, err := w.Commit(v1.Hash{})
		if err != nil {
			return err
		}
		if err := s.Verify(h); err != nil {
			return err
		}
		if err := s.PutRecord("n", "one", i); err != nil {
			return err
		}
		var n int
		if ok, err := s.Record("n", "one", &n); !ok || err != nil {
			return fmt.Errorf("record: %t, %w", ok, err)
		}
		p, err := s.Partial(context.Background(), "p")
		if err != nil {
			return err
		}
		if p.Size() != 0 {
			return fmt.Errorf("a partial blob that another process committed has %d bytes", p.Size())
		}
		p.Write(content)
		if _, err := p.Commit(h); err != nil {
			return err
		}
	}
	return nil
}

func TestProcesses(t *testing.T) {
	s := open(t)
	one, out1 := command(t, "write", s.Root())
	two, out2 := command(t, "write", s.Root())
	if err := one.Start(); err != nil {
		t.Fatal(err)
	}
	if err := two.Start(); err != nil {
		t.Fatal(err)
	}
	if err := one.Wait(); err != nil {
		t.Error(err, out1)
	}
	if err := two.Wait(); err != nil {
		t.Error(err, out2)
	}
	left(t, s)
}

// fillDisk writes three megabytes in each way to a disk of one, and fails
// unless each fails as it should and leaves no file behind.
func fillDisk(dir string) error {
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		return err
	}
	s, err := Open(dir)
	if err != nil {
		return err
	}
	content := bytes.Repeat([]byte("0123456789abcdef"), 3<<16)
	w, err := s.Create()
	if err != nil {
		return err
	}
	_, errBlob := w.Write(content)
	w.Discard()
	errRecord := s.PutRecord("big", "key", content)
	p, err := s.Partial(context.Background(), "p")
	if err != nil {
		return err
	}
	_, errPartial := p.Write(content)
	p.Discard()
	for what, err := range map[string]error{"blob": errBlob, "record": errRecord, "partial": errPartial} {
		if err == nil || !strings.Contains(err.Error(), "no space left on device; free space in "+dir+" or set IMGBUILD_STORE") {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	// All room is there again.
	w, err = s.Create()
	if err != nil {
		return err
	}
	if _, err := w.Write(content[:900<<10]); err != nil {
		return fmt.Errorf("the failed writes left something: %w", err)
	}
	_, err = w.Commit(v1.Hash{})
	return err
}

// TestFullDisk mounts a small disk in name spaces of a child process, which
// needs no root.
func TestFullDisk(t *testing.T) {
	cmd, out := command(t, "full", t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	if err := cmd.Run(); err != nil {
		t.Error(err, out)
	}
}

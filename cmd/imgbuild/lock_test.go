package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/images"
	"github.com/imgbuild/imgbuild/pkg/definition"
)

// TestLockTarget: the lock of an image inside imgbuild goes into a checkout,
// where the working directory is one, else with its definition into a copy,
// which then builds the same images.
func TestLockTarget(t *testing.T) {
	for _, name := range images.Names() {
		t.Run(name, func(t *testing.T) {
			d, err := loadDefinition(name)
			if err != nil {
				t.Fatal(err)
			}
			t.Chdir(t.TempDir())
			write, err := lockTarget(d.Loaded)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := write(d.lock); err != nil {
				t.Fatal(err)
			}
			copied, err := loadDefinition("./" + name)
			if err != nil {
				t.Fatal(err)
			}
			if copied.Digest() != d.Digest() || copied.lock.Sum != d.lock.Sum {
				t.Error("the copy is another one")
			}
			entries, err := os.ReadDir(".")
			if err != nil || len(entries) != 1 {
				t.Errorf("beside the copy: %v, %v", entries, err)
			}
			if _, err := lockTarget(d.Loaded); err == nil || !strings.Contains(err.Error(), "in the way") {
				t.Errorf("a second copy: %v", err)
			}

			// A checkout, as far as this name goes.
			checkout := t.TempDir()
			t.Chdir(checkout)
			if err := os.Mkdir("images", 0o755); err != nil {
				t.Fatal(err)
			}
			if err := d.CopyTo(filepath.Join("images", name), []byte("an old lock")); err != nil {
				t.Fatal(err)
			}
			if write, err = lockTarget(d.Loaded); err != nil {
				t.Fatal(err)
			}
			if _, err := write(d.lock); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(filepath.Join("images", name, "image.lock"))
			if err != nil {
				t.Fatal(err)
			}
			if want, err := d.ReadLock(); err != nil || !bytes.Equal(got, want) {
				t.Errorf("the checkout's lock is not the one written: %v", err)
			}

			// Another definition of that name in the checkout.
			path := filepath.Join("images", name, definition.FileName)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, bytes.Replace(b, []byte("title: "), []byte("title: Other "), 1), 0o644); err != nil {
				t.Fatal(err)
			}
			if _, err := lockTarget(d.Loaded); err == nil || !strings.Contains(err.Error(), "build imgbuild anew") {
				t.Errorf("a checkout of another version: %v", err)
			}
		})
	}
}

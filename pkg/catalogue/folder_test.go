package catalogue

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// tree is what is in a folder.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		files[path[len(dir)+1:]] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func put(t *testing.T, dir, name, data string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(data), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestTheSameReportIsTheSameFolder(t *testing.T) {
	a, b := written(t), written(t)
	if !maps.Equal(tree(t, a), tree(t, b)) {
		t.Error("two catalogues of one report are different")
	}
	old := time.Now().Add(-time.Hour)
	for name := range tree(t, a) {
		if err := os.Chtimes(filepath.Join(a, name), old, old); err != nil {
			t.Fatal(err)
		}
	}
	if err := Write(t.Context(), a, theReport(t)); err != nil {
		t.Fatal(err)
	}
	for name := range tree(t, a) {
		if info, err := os.Stat(filepath.Join(a, name)); err != nil || info.ModTime().After(old.Add(time.Minute)) {
			t.Errorf("%s was written although it is the same (%v)", name, err)
		}
	}
}

// Pages of images that are gone go too; what others put there stays.
func TestTheNextRelease(t *testing.T) {
	dir := written(t)
	put(t, dir, "CNAME", "images.example.com\n")
	put(t, dir, "images/photo.html", "<!doctype html><p>mine")
	put(t, dir, "images/photo.png", "not a page")
	put(t, dir, "zh/notes.txt", "mine")
	put(t, dir, ".index.html.imgbuild-new", "what a killed run leaves")
	r := theReport(t)
	r.Images = r.Images[1:]
	r.PublicKey = ""
	if err := Write(t.Context(), dir, r); err != nil {
		t.Fatal(err)
	}
	got := slices.Sorted(maps.Keys(tree(t, dir)))
	want := []string{"CNAME", "images/golang-1.26.html", "images/golang-1.27-slim.html", "images/node-24-slim.html", "images/node-24.html",
		"images/photo.html", "images/photo.png", "index.html", "release.json",
		"zh/images/golang-1.26.html", "zh/images/golang-1.27-slim.html", "zh/images/node-24-slim.html", "zh/images/node-24.html", "zh/index.html", "zh/notes.txt"}
	if !slices.Equal(got, want) {
		t.Errorf("the folder has\n%q\nnot\n%q", got, want)
	}
}

// A key that is not the one of the release before is someone's own.
func TestAnotherKeyStays(t *testing.T) {
	dir := written(t)
	put(t, dir, "cosign.pub", "-----BEGIN PUBLIC KEY-----\nanother\n")
	r := theReport(t)
	r.PublicKey = ""
	if err := Write(t.Context(), dir, r); err != nil {
		t.Fatal(err)
	}
	if tree(t, dir)["cosign.pub"] == "" {
		t.Error("cosign.pub was removed")
	}
}

// What is someone else's is an error, and nothing at all is written.
func TestForeignFiles(t *testing.T) {
	for name, data := range map[string]string{
		"index.html":               "<!doctype html><h1>My site",
		"zh/index.html":            "",
		"images/golang-1.27.html":  "mine",
		"release.json":             `{"name": "a file of another program"}`,
		"cosign.pub":               "my notes about keys",
		"images/node-24.html/deep": "a folder in the place of a page",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			put(t, dir, name, data)
			before := tree(t, dir)
			err := Write(t.Context(), dir, theReport(t))
			if err == nil || !strings.Contains(err.Error(), strings.TrimSuffix(name, "/deep")) || !strings.Contains(err.Error(), "another folder") {
				t.Errorf("error %v", err)
			}
			if !maps.Equal(before, tree(t, dir)) {
				t.Errorf("the folder has now %q", slices.Sorted(maps.Keys(tree(t, dir))))
			}
		})
	}
}

// Links that lead out of the folder are not followed.
func TestSymbolicLinks(t *testing.T) {
	outside := t.TempDir()
	for name, link := range map[string]func(dir string) error{
		"a page": func(dir string) error {
			return os.Symlink(filepath.Join(outside, "x"), filepath.Join(dir, "index.html"))
		},
		"a folder": func(dir string) error { return os.Symlink(outside, filepath.Join(dir, "images")) },
		"a file beside": func(dir string) error {
			return os.Symlink(filepath.Join(outside, "x"), filepath.Join(dir, ".index.html.imgbuild-new"))
		},
	} {
		dir := t.TempDir()
		if err := link(dir); err != nil {
			t.Fatal(err)
		}
		err := Write(t.Context(), dir, theReport(t))
		if name == "a file beside" && err != nil || name != "a file beside" && err == nil {
			t.Errorf("%s: error %v", name, err)
		}
		if files := tree(t, outside); len(files) != 0 {
			t.Errorf("%s: outside there is now %q", name, slices.Sorted(maps.Keys(files)))
		}
	}
}

// A page is replaced as a whole: who reads it meanwhile has the old one or the
// new one, and an error leaves no file beside it.
func TestReplace(t *testing.T) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	put(t, dir, "a.html", "old")
	reader, err := os.Open(filepath.Join(dir, "a.html"))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if err := replace(root, file{"a.html", []byte("new and longer")}); err != nil {
		t.Fatal(err)
	}
	old := make([]byte, 100)
	if n, _ := reader.Read(old); string(old[:n]) != "old" {
		t.Errorf("who had the page open reads %q", old[:n])
	}
	put(t, dir, "b.html/in-the-way", "")
	if err := replace(root, file{"b.html", []byte("x")}); err == nil {
		t.Error("a folder was replaced")
	}
	if got := slices.Sorted(maps.Keys(tree(t, dir))); !slices.Equal(got, []string{"a.html", "b.html/in-the-way"}) {
		t.Errorf("the folder has %q", got)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := filepath.Join(t.TempDir(), "site")
	if err := Write(ctx, dir, theReport(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("something was written")
	}
}
